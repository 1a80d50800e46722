package jetstream

import "github.com/ThreeDotsLabs/watermill/message"

// Redelivery says whether a message, or the work in it, may have been handed out before,
// and to whom: at-least-once delivery means that whoever is handed it again has to find
// out what of it is done. The greater value asks for more care.
type Redelivery int

const (
	// FirstDelivery is work that nobody had before. It is the zero value.
	FirstDelivery Redelivery = iota
	// RedeliveredFromBefore is work that a process before this one may have had: it was in
	// the stream when this one began. The broker's own count of deliveries does not
	// survive a crash, so that it alone would not do.
	RedeliveredFromBefore
	// RedeliveredHere is work that this process may have had: what it has done of it may
	// still be on its way to the records.
	RedeliveredHere
)

// Possible reports whether somebody may have had the work before.
func (r Redelivery) Possible() bool { return r != FirstDelivery }

// RedeliveryOf is what the broker knows of a message; a message that came from elsewhere
// is a first delivery.
func RedeliveryOf(m *message.Message) Redelivery {
	if item := first(m); item != nil {
		return item.Redelivery()
	}
	return FirstDelivery
}
