package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"chatbell/internal/sandbox"
)

// Config says what to play and where to show it.
type Config struct {
	// Binary is the chatbell executable.
	Binary string
	// Script is the folder with day.ndjson and phones.json.
	Script string
	Out    io.Writer
	// Size gives the terminal's size; nil means that Out is not a terminal.
	Size func() (columns, lines int)
	// Keep leaves everything running until the context ends.
	Keep bool
}

// Run plays the day. It returns nil when everything arrived that should have.
func Run(ctx context.Context, c Config) (err error) {
	phones, steps, err := load(c.Script)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "chatbell-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fmt.Fprintln(c.Out, "Starting simulated APNs, FCM and a customer's webhook, and chatbell …")
	box, err := sandbox.Start(ctx, sandbox.Config{Dir: dir + "/sandbox"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.Close()) }()
	creds := box.Credentials()
	srv, err := startServer(ctx, c.Binary, dir, creds)
	if srv != nil && srv.cmd != nil && srv.cmd.Process != nil {
		defer func() { err = errors.Join(err, srv.stop()) }()
	}
	if err != nil {
		return err
	}
	d := day{c: &c, box: box, srv: srv, screen: newScreen(c.Out, c.Size, phones, len(steps))}
	if err := d.play(ctx, phones, steps); err != nil {
		return fmt.Errorf("%w\nThe server's last words:\n%s", err, srv.lastLog())
	}
	if err := d.ask(ctx); err != nil {
		return err
	}
	if c.Keep {
		fmt.Fprintf(c.Out, "\nEverything keeps running until you press Ctrl-C.\n  API         http://%s   (key of acme: %s)\n  ClickHouse  http://%s   (user analyst, password %s)\n  sandbox     %s\n",
			srv.api, directNetwork+keySuffix, srv.clickhouse, password, creds.URL)
		<-ctx.Done()
	}
	return nil
}

// day is one run of the script.
type day struct {
	c      *Config
	box    *sandbox.Server
	srv    *server
	screen *screen
}

// play registers the phones and makes every call of the script, one after another.
func (d *day) play(ctx context.Context, phones []phone, steps []step) error {
	following, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() {
		for a := range d.box.Follow(following, 0) {
			d.screen.arrived(a)
		}
	})
	for _, p := range phones {
		if err := d.register(ctx, p); err != nil {
			return err
		}
	}
	for i := range steps {
		s := &steps[i]
		d.screen.step(s)
		if err := d.srv.call(ctx, s.Network, s.Method, s.Path, s.Body); err != nil {
			return err
		}
		if s.isEvent() {
			if err := d.recorded(ctx, s.Network, s.eventID()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *day) register(ctx context.Context, p phone) error {
	body, err := json.Marshal(map[string]string{
		"device_id": p.DeviceID, "user": p.User, "provider": p.Provider, "platform": p.Platform,
		"token": p.Token, "locale": p.Locale, "app": "com." + p.Network + ".chat",
	})
	if err != nil {
		return err
	}
	if p.Dead {
		if _, err := d.box.Fail(sandbox.Failure{Target: p.Token, Dead: true, DeadSince: time.Now().Add(time.Hour)}); err != nil {
			return err
		}
	}
	return d.srv.call(ctx, p.Network, "POST", "/v1/devices", body)
}

// recordTimeout bounds the wait for an event's rows; half a second is usual.
const recordTimeout = 20 * time.Second

// recorded waits until an event's rows are in ClickHouse, so that a step which
// changes settings cannot overtake the event before it.
func (d *day) recorded(ctx context.Context, network, event string) error {
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	sql := fmt.Sprintf("SELECT count() FROM chatbell.events WHERE network = '%s' AND event_id = '%s'", network, event)
	for {
		n, err := d.srv.query(ctx, sql)
		if err == nil && strings.TrimSpace(n) == "1" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("event %s was not recorded within %s (last answer: %q, %w)", event, recordTimeout, n, errors.Join(err, ctx.Err()))
		case <-tick.C:
		}
	}
}

// questions are what an analyst asks at the end of the day.
var questions = []struct{ what, sql string }{
	{"Who was told, and how?", `SELECT network, user_id, target, locale, count() AS notifications
FROM chatbell.deliveries WHERE outcome = 'accepted'
GROUP BY ALL ORDER BY ALL`},
	{"Why did some not get it?", `SELECT user_id, outcome, level, reason, count() AS times, groupUniqArray(event_type) AS events
FROM chatbell.deliveries WHERE outcome != 'accepted'
GROUP BY ALL ORDER BY ALL`},
	{"How did the day go, from the hourly roll-up?", `SELECT event_type, outcome, sum(deliveries) AS deliveries, max(latency_ms_max) AS slowest_ms
FROM chatbell.deliveries_hourly GROUP BY ALL ORDER BY ALL`},
}

// ask shows the questions with their answers, and checks that no row is there twice.
func (d *day) ask(ctx context.Context) error {
	fmt.Fprintf(d.c.Out, "\nThe day is over. What an analyst sees, with any ClickHouse client or plain curl:\n")
	for _, q := range questions {
		answer, err := d.srv.query(ctx, q.sql+"\nFORMAT PrettyCompactMonoBlock")
		if err != nil {
			return err
		}
		fmt.Fprintf(d.c.Out, "\n%s\n\n  curl -u analyst:*** http://%s --data-binary \"\n%s\n  \"\n\n%s", q.what, d.srv.clickhouse, indent(q.sql), answer)
	}
	twice, err := d.srv.query(ctx, "SELECT count() - uniqExact(delivery_id) FROM chatbell.deliveries")
	if err != nil {
		return err
	}
	if twice = strings.TrimSpace(twice); twice != "0" {
		return fmt.Errorf("%s rows of deliveries are there more than once", twice)
	}
	return nil
}

func indent(s string) string { return "    " + strings.ReplaceAll(s, "\n", "\n    ") }
