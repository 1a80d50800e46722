package rowcodec

import (
	"chatbell"
	"chatbell/internal/row"
)

// The row types, whose structs say what is written and in which order.
var (
	deliveries = row.Of[chatbell.Delivery]()
	attempts   = row.Of[chatbell.Attempt]()
	events     = row.Of[chatbell.AcceptedEvent]()
)

// fields writes or reads the columns of a row, by how it differs from the one before.
func (c *coder) fields(columns []row.Column, r, before row.Ref) {
	for i := range columns {
		col := &columns[i]
		switch col.Kind {
		case row.Text:
			c.text(col.Text(r), col.Text(before))
		case row.Small:
			number(c, col.Small(r), col.Small(before))
		case row.Number:
			number(c, col.Number(r), col.Number(before))
		case row.Moment:
			c.moment(col.Moment(r), col.Moment(before))
		case row.Truth:
			c.truth(col.Truth(r))
		}
	}
}
