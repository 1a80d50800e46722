package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"chatbell/analytics/engine"
)

// options are the same for all benchmarks.
type options struct {
	binary, results string
	rounds, devices int
	// scale makes the other numbers smaller, to see whether a benchmark runs at all.
	scale float64
}

// of is a number of things to do, scaled, in whole steps.
func (o *options) of(n, step int) int {
	return max(1, int(float64(n)*o.scale)/step) * step
}

// benchmark measures one thing and gives a result for each variant of it.
type benchmark struct {
	name string
	run  func(context.Context, *options) ([]result, error)
}

var all = []benchmark{{"fanout", fanout}, {"direct", direct}, {"ingest", ingest}, {"record", record}}

// result is what is printed and kept.
type result struct {
	Bench    string  `json:"bench"`
	What     string  `json:"what"`
	Unit     string  `json:"unit"`
	Raw      string  `json:"raw_is"`
	RawRate  float64 `json:"raw"`
	Chatbell float64 `json:"chatbell"`
	// Ratio is the median of the rounds' ratios; more is better, 1 is the raw limit.
	Ratio  float64   `json:"ratio"`
	Rounds []float64 `json:"rounds"`
	Target float64   `json:"target"`
	Note   string    `json:"note,omitempty"`
}

func main() {
	if len(os.Args) > 1 {
		if role, ok := roles[os.Args[1]]; ok {
			exit(role(os.Args[2:]))
		}
	}
	opts := &options{}
	only := flag.String("only", "", "one of fanout, direct, ingest, record; default all")
	flag.StringVar(&opts.binary, "binary", "bin/chatbell", "the server under test")
	flag.StringVar(&opts.results, "results", "bench/results", "where the results are written; empty for nowhere")
	flag.IntVar(&opts.rounds, "rounds", 3, "how often each side takes its turn")
	flag.IntVar(&opts.devices, "devices", 100_000, "members of the large channel")
	flag.Float64Var(&opts.scale, "scale", 1, "makes all smaller: 0.01 shows in seconds whether it runs, and measures nothing")
	flag.Parse()
	opts.devices = opts.of(opts.devices, 1)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, opts, *only)
	stop()
	exit(err)
}

// roles are what this program is when it starts itself.
var roles = map[string]func([]string) error{
	"engine":     func([]string) error { return engine.Serve(context.Background(), engine.Inherited()) },
	"sandbox":    runSandbox,
	"raw-ingest": runRawIngest,
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, opts *options, only string) error {
	if _, err := os.Stat(opts.binary); err != nil {
		return fmt.Errorf("no server to measure: run `make build` first: %w", err)
	}
	commit := measured() // before the first results are written, which change the tree
	found := false
	fmt.Printf("%-10s %-52s %14s %14s %7s %7s\n", "bench", "what", "raw", "chatbell", "ratio", "target")
	for _, b := range all {
		if only != "" && only != b.name {
			continue
		}
		found = true
		results, err := b.run(ctx, opts)
		if err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		for _, res := range results {
			fmt.Printf("%-10s %-52s %8.0f %-5s %8.0f %-5s %7.2f %7.2f  %s\n", res.Bench, res.What, res.RawRate, res.Unit, res.Chatbell, res.Unit, res.Ratio, res.Target, res.Note)
		}
		if err := keep(opts, commit, b.name, results); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("there is no benchmark %q", only)
	}
	return nil
}

// measured names the commit that is measured.
func measured() string {
	commit, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "unknown" // not a clone; the numbers are good all the same
	}
	return strings.TrimSpace(string(commit))
}

// keep writes the results with what is needed to judge them.
func keep(opts *options, commit, name string, results []result) error {
	if opts.results == "" {
		return nil
	}
	data, err := json.MarshalIndent(map[string]any{
		"commit": commit, "at": time.Now().UTC().Format(time.DateOnly),
		"go": runtime.Version(), "cpus": runtime.NumCPU(), "results": results,
	}, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(opts.results, 0o755); err != nil { //nolint:gosec // results are public
		return err
	}
	return os.WriteFile(filepath.Join(opts.results, name+".json"), append(data, '\n'), 0o644) //nolint:gosec // as above
}

// turns lets raw and chatbell take turns; each returns its rate.
func turns(r result, rounds int, raw, ours func() (float64, error)) (result, error) {
	var raws, oursAll []float64
	for range rounds {
		rawRate, err := raw()
		if err != nil {
			return r, fmt.Errorf("raw: %w", err)
		}
		b, err := ours()
		if err != nil {
			return r, err
		}
		raws = append(raws, rawRate)
		oursAll = append(oursAll, b)
		r.Rounds = append(r.Rounds, round(b/rawRate))
	}
	r.RawRate = round(median(raws))
	r.Chatbell = round(median(oursAll))
	r.Ratio = median(r.Rounds)
	return r, nil
}

func median(v []float64) float64 {
	sorted := slices.Sorted(slices.Values(v))
	return sorted[len(sorted)/2]
}

func round(v float64) float64 { return float64(int(v*1000+0.5)) / 1000 }

// rate is how many a second.
func rate(n int, d time.Duration) float64 { return float64(n) / d.Seconds() }

var errDeadline = errors.New("it did not finish in time")

// until polls, seldom enough to disturb nobody.
func until(ctx context.Context, what string, timeout time.Duration, ok func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err := ok()
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", what, errDeadline)
		case <-tick.C:
		}
	}
}
