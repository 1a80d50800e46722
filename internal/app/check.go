package app

import (
	"chatbell/internal/config"
)

// Check builds everything that a configuration alone decides (credentials, texts,
// rules), so that a mistake in a file is found without starting a server.
func Check(cfg *config.Config) error {
	roots, err := rootCAs(cfg.CAFiles)
	if err != nil {
		return err
	}
	_, open, err := newRegistry(cfg, nil, roots)
	for _, c := range open {
		_ = c.Close() // nothing was sent
	}
	return err
}
