package pipeline_test

import (
	"testing"
)

// A message's finished rows are written while another of its tries takes long: after a
// crash they are not sent again.
func TestResultsAreWrittenMeanwhile(t *testing.T) {
	s := start(t, nil)
	s.device("b", "quick", "")
	s.device("c", "slow", "")
	release := make(chan struct{})
	s.phone.answer = func(token string) error {
		if token == "slow" {
			<-release
		}
		return nil
	}
	s.post(created("1", "a", "b", "c"))
	s.until("the quick one's row", func() bool { return len(s.results.Deliveries) == 1 })
	if s.waits() {
		t.Error("it was written only when the message was given up to the backlog")
	}
	close(release)
	s.wait(2)
}
