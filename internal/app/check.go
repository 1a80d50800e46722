package app

import (
	"chatbell/analytics/clickhouse"
	"chatbell/internal/config"
	"chatbell/internal/networks"
)

// Check looks into what a configuration names (keys, certificates, texts), so that a
// mistake in a file is told with all others, without starting a server. It is
// config.Options.Check.
func Check(cfg *config.Config, p *config.Problems) {
	if !cfg.EmbeddedClickHouse() && !p.Has("clickhouse") {
		if err := clickhouse.CheckDSN(cfg.ClickHouse.Reveal()); err != nil {
			p.Add("clickhouse", err.Error(), "")
		}
	}
	networks.Check(cfg, p)
}
