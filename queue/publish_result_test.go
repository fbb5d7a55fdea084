package queue_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue"
)

// plain is a publisher without results, which fails as it is told.
type plain struct {
	err error
	got []queue.Message
}

func (p *plain) Publish(_ context.Context, msgs ...queue.Message) error {
	p.got = msgs
	return p.err
}

// A publisher that returns no results gets messages with ids, and its error is spread over them.
func TestResultsOfAPlainPublisher(t *testing.T) {
	partly := &queue.PublishError{Failed: []queue.PublishFailure{{"b", errOne}}}
	for name, c := range map[string]struct{ err, a, b error }{
		"confirmed": {nil, nil, nil}, "partly": {partly, nil, errOne}, "not at all": {errTwo, errTwo, errTwo},
	} {
		t.Run(name, func(t *testing.T) {
			p := &plain{err: c.err}
			msgs := []queue.Message{{}, {ID: "b"}}
			results, err := queue.PublishResults(t.Context(), p, msgs...)
			require.Equal(t, c.err, err)
			require.Empty(t, msgs[0].ID, "the messages are the caller's")
			require.NotEmpty(t, p.got[0].ID)
			require.Equal(t, []queue.PublishResult{{ID: p.got[0].ID, Err: c.a}, {ID: "b", Err: c.b}}, results)
		})
	}
}
