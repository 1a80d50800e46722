package app

import (
	"chatbell/analytics/clickhouse"
	"chatbell/internal/config"
	"chatbell/internal/networks"
)

// Check looks into what a configuration names (keys, certificates, texts), so that a
// mistake in a file is told with all others, without starting a server. It is
// config.Options.Check.
func Check(cfg *config.Config, problems *config.Problems) {
	if !cfg.EmbeddedClickHouse() && !problems.Has("clickhouse") {
		if err := clickhouse.CheckDSN(cfg.ClickHouse.Reveal()); err != nil {
			problems.Add("clickhouse", err.Error(), "")
		}
	}
	networks.Check(cfg, problems)
}
