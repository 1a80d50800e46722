// Package status is what an operator's machines ask a server: /healthz whether the process
// lives, /readyz whether it can accept requests and what is degraded all the same, and
// /metrics for Prometheus. It is open to everybody who reaches it, so its answers name no
// address and no part of the installation; those are in the log.
package status
