package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
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
	// Hurry, if it is not nil, ends when the server's drain is not to be waited for.
	Hurry context.Context //nolint:containedctx // a second end, beside that of the call
}

// Run plays the day. It returns nil when everything arrived that should have, and the
// cause of the context's end when that came first. In both cases the server and the
// sandbox have ended, and what they kept is removed.
func Run(ctx context.Context, cfg Config) (err error) {
	if cfg.Hurry == nil {
		cfg.Hurry = context.WithoutCancel(ctx)
	}
	phones, steps, err := load(cfg.Script)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "chatbell-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fmt.Fprintln(cfg.Out, "Starting simulated APNs, FCM and a customer's webhook, and chatbell …")
	// It outlives the context: what the server has in hand is sent while it drains.
	box, err := sandbox.Start(context.WithoutCancel(ctx), sandbox.Config{Dir: dir + "/sandbox", Topics: topics(phones)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.Close()) }()
	srv, err := startServer(ctx, cfg.Binary, dir, box.Credentials())
	if srv != nil && srv.cmd != nil && srv.cmd.Process != nil {
		defer func() { err = errors.Join(err, srv.stop(cfg.Hurry)) }()
	}
	if err == nil {
		d := day{c: &cfg, box: box, srv: srv, screen: newScreen(cfg.Out, cfg.Size, phones, len(steps))}
		err = d.perform(ctx, phones, steps)
	}
	if err != nil && ctx.Err() != nil { // whatever was under way failed for this reason
		return context.Cause(ctx)
	}
	return err
}

// topics are the apps of the phones.
func topics(phones []phone) []string {
	var out []string
	for i := range phones {
		if app := phones[i].app(); !slices.Contains(out, app) {
			out = append(out, app)
		}
	}
	return out
}

// perform is the whole show, once the server is ready.
func (d *day) perform(ctx context.Context, phones []phone, steps []step) error {
	if err := d.play(ctx, phones, steps); err != nil {
		return fmt.Errorf("%w\nThe server's last words:\n%s", err, d.srv.lastLog())
	}
	if err := d.ask(ctx); err != nil {
		return err
	}
	if d.c.Keep {
		fmt.Fprintf(d.c.Out, "\nEverything keeps running until you press Ctrl-C.\n"+
			"  API         http://%s\n    key of %s:   %s\n    key of %s: %s\n  ClickHouse  http://%s   (user %s, password %s)\n  sandbox     %s\n",
			d.srv.api, directNetwork, directNetwork+keySuffix, webhookNetwork, webhookNetwork+keySuffix,
			d.srv.clickhouse, analyst, password, d.box.Credentials().URL)
		<-ctx.Done() // which is how it is meant to end
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
		for arrival := range d.box.Follow(following, 0) {
			d.screen.arrived(arrival)
		}
	})
	for _, one := range phones {
		if err := d.register(ctx, one); err != nil {
			return err
		}
	}
	for i := range steps {
		now := &steps[i]
		d.screen.step(now)
		if err := d.srv.call(ctx, now.Network, now.Method, now.Path, now.Body); err != nil {
			return err
		}
		if now.isEvent() {
			if err := d.recorded(ctx, now.Network, now.eventID()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *day) register(ctx context.Context, one phone) error {
	body, err := json.Marshal(map[string]string{
		"device_id": one.DeviceID, "user": one.User, "provider": one.Provider, "platform": one.Platform,
		"token": one.Token, "locale": one.Locale, "app": one.app(),
	})
	if err != nil {
		return err
	}
	if one.Dead {
		if _, err := d.box.Fail(sandbox.Failure{Target: one.Token, Dead: true, DeadSince: time.Now().Add(time.Hour)}); err != nil {
			return err
		}
	}
	return d.srv.call(ctx, one.Network, "POST", "/v1/devices", body)
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
		count, err := d.srv.query(ctx, sql)
		if err == nil && strings.TrimSpace(count) == "1" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("event %s was not recorded within %s (last answer: %q, %w)", event, recordTimeout, count, errors.Join(err, ctx.Err()))
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
	for _, question := range questions {
		answer, err := d.srv.query(ctx, question.sql+"\nFORMAT PrettyCompactMonoBlock")
		if err != nil {
			return err
		}
		fmt.Fprintf(d.c.Out, "\n%s\n\n  curl -u %s:%s http://%s --data-binary \"\n%s\n  FORMAT PrettyCompactMonoBlock\"\n\n%s",
			question.what, analyst, password, d.srv.clickhouse, indent(question.sql), answer)
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
