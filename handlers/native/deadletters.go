package native

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"chatbell"
	"chatbell/handlers/web"
	"chatbell/pipeline/deadletter"
)

// DeadLetters are what was given up. See [deadletter.Letters].
type DeadLetters interface {
	List(ctx context.Context, network chatbell.NetworkID, after uint64, limit int) (page []deadletter.Letter, more bool, err error)
	Replay(ctx context.Context, network chatbell.NetworkID, id uint64) error
	Delete(ctx context.Context, network chatbell.NetworkID, id uint64) error
}

func (a *api) deadLetterRoutes() []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Path: "/v1/dead-letters", Handle: a.getDeadLetters, Access: web.Server, Doc: docListDeadLetters},
		{Method: http.MethodPost, Path: "/v1/dead-letters/:id/replay", Handle: a.replayDeadLetter, Access: web.Server, Doc: docReplayDeadLetter},
		{Method: http.MethodDelete, Path: "/v1/dead-letters/:id", Handle: a.deleteDeadLetter, Access: web.Server, Doc: docDeleteDeadLetter},
	}
}

// deadLetter is one on the wire.
type deadLetter struct {
	ID         string             `json:"id" required:"true" description:"The dead letter's id."`
	Kind       deadletter.Kind    `json:"kind" required:"true" description:"What it was: an event, another request, a batch of pushes, or a webhook call."`
	Reason     string             `json:"reason" required:"true" description:"Why it was given up."`
	Tries      int                `json:"tries" required:"true" minimum:"0" description:"How often it was tried, at least; 0 where nobody counted."`
	At         time.Time          `json:"at" required:"true" description:"When it was given up."`
	EventID    chatbell.EventID   `json:"event_id,omitempty" description:"The event behind it; absent where that cannot be read."`
	EventType  chatbell.EventType `json:"event_type,omitempty" description:"The type of the event behind it."`
	AcceptedAt *time.Time         `json:"accepted_at,omitempty" description:"When the event was accepted."`
	Targets    int                `json:"targets,omitempty" description:"How many devices or people a batch was for."`
	Payload    json.RawMessage    `json:"payload,omitempty" description:"The event as it was sent; as text where it cannot be read. Absent for the other kinds, whose payloads hold tokens and texts."`
	Bytes      int                `json:"payload_bytes" required:"true" minimum:"0" description:"The size of what is kept of it."`
}

type deadLetterPage struct {
	Items []deadLetter `json:"items" required:"true" nullable:"false" description:"The dead letters, in the order in which they were given up."`
	Next  string       `json:"next_cursor,omitempty" description:"The cursor of the next page; absent on the last one."`
}

type replayed struct {
	Replayed int `json:"replayed" required:"true" minimum:"1" description:"How many were published again: 1."`
}

func (a *api) getDeadLetters(c echo.Context) error {
	cursor, limit, err := web.Page(c)
	if err != nil {
		return err
	}
	var after uint64
	if cursor != "" {
		if after, err = strconv.ParseUint(cursor, 10, 64); err != nil {
			return web.Invalid(web.Field("/cursor", "must be the next_cursor of an earlier answer"))
		}
	}
	letters, more, err := a.dead.List(c.Request().Context(), web.CallerOf(c).Network, after, limit)
	if err != nil {
		return err
	}
	out := deadLetterPage{Items: make([]deadLetter, len(letters))}
	for i := range letters {
		out.Items[i] = deadLetterOf(&letters[i])
		after = letters[i].ID
	}
	if more {
		out.Next = web.CursorAfter(strconv.FormatUint(after, 10))
	}
	return c.JSON(http.StatusOK, out)
}

func deadLetterOf(letter *deadletter.Letter) deadLetter {
	out := deadLetter{
		ID:        strconv.FormatUint(letter.ID, 10),
		Kind:      letter.Kind,
		Reason:    letter.Reason,
		Tries:     letter.Tries,
		At:        letter.At,
		EventID:   letter.EventID,
		EventType: letter.EventType,
		Targets:   letter.Targets,
		Payload:   letter.Event,
		Bytes:     letter.Bytes,
	}
	if !letter.AcceptedAt.IsZero() {
		out.AcceptedAt = &letter.AcceptedAt
	}
	return out
}

func (a *api) replayDeadLetter(c echo.Context) error {
	id, err := deadLetterID(c)
	if err != nil {
		return err
	}
	if err := a.dead.Replay(c.Request().Context(), web.CallerOf(c).Network, id); err != nil {
		return err
	}
	return c.JSON(http.StatusAccepted, replayed{1})
}

func (a *api) deleteDeadLetter(c echo.Context) error {
	id, err := deadLetterID(c)
	if err != nil {
		return err
	}
	if err := a.dead.Delete(c.Request().Context(), web.CallerOf(c).Network, id); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// deadLetterID reads the id from the path; one that is no number is nobody's.
func deadLetterID(c echo.Context) (uint64, error) {
	text, err := web.PathID(c, "id")
	if err != nil {
		return 0, err
	}
	id, err := strconv.ParseUint(text, 10, 64)
	if err != nil || id == 0 {
		return 0, chatbell.ErrNotFound
	}
	return id, nil
}
