package command

import (
	"context"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
	"github.com/gentask/gentask/queue"
)

func (a *app) peek() *cli.Command {
	return &cli.Command{
		Name: "peek", Usage: "show messages of a queue without taking them", ArgsUsage: "QUEUE",
		Description: `PostgreSQL shows those that wait, and JetStream also those that are held.
RabbitMQ shows no message without handing it out, so peek refuses it there.`,
		Flags:  []cli.Flag{&cli.IntFlag{Name: "limit", Value: peekLimit, Usage: "at most `N` messages"}},
		Action: a.do(spec{least: 1, most: 1}, peek),
	}
}

// peekLimit is how many messages peek shows by default.
const peekLimit = 10

// peekLine is what peek writes as JSON. A body that is no text is in base64.
type peekLine struct {
	ID          string            `json:"id"`
	Queue       string            `json:"queue"`
	Published   time.Time         `json:"published,omitzero"`
	NotBefore   time.Time         `json:"not_before,omitzero"`
	Priority    int               `json:"priority,omitempty"`
	ContentType string            `json:"content_type,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	Body        string            `json:"body,omitempty"`
	BodyBase64  []byte            `json:"body_base64,omitempty"`
}

func peek(ctx context.Context, s *session) error {
	limit, name := s.Int("limit"), s.Args().First()
	if limit < 1 {
		return usagef("--limit is %d; want a positive number", limit)
	}
	if _, err := s.queue(ctx, name); err != nil {
		return err
	}
	bounded, cancel := s.bounded(ctx)
	defer cancel()
	all, err := s.broker.Peek(bounded, name, limit)
	for _, m := range all {
		s.showPeeked(name, &m)
	}
	if err == nil && len(all) == 0 {
		s.screen.Notef("queue %q has no message", name)
	}
	return err
}

func (s *session) showPeeked(name string, m *queue.Message) {
	if s.screen.IsJSON() {
		line := peekLine{
			ID: m.ID, Queue: name, Published: m.Time, NotBefore: m.NotBefore, Priority: m.Priority,
			ContentType: m.ContentType, Headers: m.Headers,
		}
		line.Body, line.BodyBase64 = textOrBytes(m.Body)
		s.screen.Object(line)
		return
	}
	s.screen.Printf("id: %s\n", terminal.Text(m.ID))
	showMessage(s.screen, m)
	s.screen.Printf("\n")
}
