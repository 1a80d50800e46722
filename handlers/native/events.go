package native

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"chatbell"
	"chatbell/handlers/web"
	"chatbell/pipeline/intake"
)

// Intake makes requests durable. Accept answers for each in order; its errors are
// [intake.Error].
type Intake interface {
	Accept(ctx context.Context, requests []intake.Request) ([]intake.Status, error)
}

func (a *api) postEvents(c echo.Context) error {
	body, err := web.ReadBody(c)
	if err != nil {
		return err
	}
	raw, err := frame(c.Request().Header.Get("Content-Type"), body)
	if err != nil {
		return err
	}
	now := a.now().UTC()
	trace := web.TraceParent(c)
	results := make([]eventResult, len(raw))
	requests := make([]intake.Request, 0, len(raw))
	place := make([]int, 0, len(raw))
	for i, r := range raw {
		event, errs := parseEvent(r)
		if len(errs) > 0 {
			results[i] = eventResult{ID: string(event.ID), Status: "rejected", Errors: errs}
			continue
		}
		complete(&event, now)
		results[i].ID = string(event.ID)
		request, err := intake.Event(&chatbell.Envelope{
			Network:     web.CallerOf(c).Network,
			Event:       event,
			AcceptedAt:  now,
			Source:      chatbell.SourceEvent,
			TraceParent: trace,
		})
		if err != nil {
			return err
		}
		requests = append(requests, request)
		place = append(place, i)
	}
	a.rejected(len(raw) - len(requests))
	if err := a.accept(c.Request().Context(), requests, place, results); err != nil {
		return err
	}
	return answerEvents(c, results)
}

// complete fills in what an event need not say.
func complete(event *chatbell.Event, now time.Time) {
	if event.ID == "" {
		event.ID = chatbell.EventID(rand.Text())
	}
	if event.Time.IsZero() {
		event.Time = now
	}
	event.Time = event.Time.UTC()
}

// statusWords are the intake's statuses on the wire.
var statusWords = [...]string{intake.Accepted: "accepted", intake.Duplicate: "duplicate", intake.Unknown: "retry"}

func (a *api) accept(ctx context.Context, requests []intake.Request, place []int, results []eventResult) error {
	if len(requests) == 0 {
		return nil
	}
	statuses, err := a.intake.Accept(ctx, requests)
	if err != nil {
		return err
	}
	for i, status := range statuses {
		results[place[i]].Status = statusWords[status]
	}
	return nil
}

// answerEvents says 202 when all are in, 422 when all were rejected, 207 else.
func answerEvents(c echo.Context, results []eventResult) error {
	taken := 0
	rejected := 0
	for i := range results {
		switch results[i].Status {
		case "accepted", "duplicate":
			taken++
		case "rejected":
			rejected++
		}
	}
	status := http.StatusMultiStatus
	switch len(results) {
	case taken:
		status = http.StatusAccepted
	case rejected:
		status = http.StatusUnprocessableEntity
	}
	body, err := json.Marshal(eventResults{results})
	if err != nil {
		return err
	}
	return c.JSONBlob(status, body)
}
