package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/gentask/gentask/cmd/gentask/internal/broker"
	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
	"github.com/gentask/gentask/queue"
)

func (a *app) publish() *cli.Command {
	return &cli.Command{
		Name: "publish", Usage: "publish messages", ArgsUsage: "QUEUE [FILE]",
		Description: `The body is that of FILE, or the standard input. With --lines each line is a
message, and empty lines are left out. publish writes the ID of each message that is confirmed, and
marks those that the broker has dropped, because another one has their unique key.`,
		Flags: append(makingFlags(),
			&cli.BoolFlag{Name: "lines", Usage: "one message for each line", HideDefault: true},
			&cli.StringFlag{Name: "id", Usage: "`ID` of the message", DefaultText: "random"},
			&cli.DurationFlag{Name: "delay", Usage: "deliver it no earlier than that long from now", HideDefault: true},
			&cli.StringFlag{Name: "at", Usage: "deliver it no earlier than `TIME`, in RFC 3339"},
			&cli.IntFlag{Name: "priority", Usage: "from 0, the normal one, to 9", HideDefault: true},
			&cli.StringFlag{Name: "unique", Usage: "`KEY` that drops further messages with it"},
			&cli.StringSliceFlag{Name: "header", Usage: "`NAME=VALUE` of a header; may be given again"},
			&cli.StringFlag{Name: "type", Usage: "media `TYPE` of the body", DefaultText: "none"},
			&cli.StringFlag{Name: "kind", Usage: "`KIND` of the job, for a program with several: see NewKind"},
		),
		Action: a.do(spec{least: 1, most: 2, open: making}, publish),
	}
}

// makingFlags are those of commands that may make a queue.
func makingFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "create", Usage: "make the queue if there is none", HideDefault: true},
		queueTypeFlag(),
	}
}

// queueTypeFlag is that of commands that may make a queue on RabbitMQ.
func queueTypeFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "queue-type", Usage: "`TYPE` of the queue on RabbitMQ: quorum or classic",
		DefaultText: "as declared, or quorum",
		Validator: func(t string) error {
			switch broker.QueueType(t) {
			case broker.AsDeclared, broker.Quorum, broker.Classic:
				return nil
			}
			return errors.New("want quorum or classic")
		},
	}
}

// making takes over the flags of a command that may make a queue.
func making(s *session, cfg *broker.Config) {
	cfg.Create, cfg.QueueType = s.Bool("create"), broker.QueueType(s.String("queue-type"))
	cfg.Priorities = s.Int("priority") > 0
}

// find returns the queue that the first argument names, also one that does not exist with --create.
func (s *session) find(ctx context.Context) (broker.Queue, error) {
	if s.Bool("create") {
		return s.broker.Queue(s.Args().First()), nil
	}
	q, err := s.queue(ctx, s.Args().First())
	if errors.Is(err, broker.ErrNoQueue) {
		return nil, fmt.Errorf("%w; --create makes it", err)
	}
	return q, err
}

// batch is how many messages are published together.
const batch = 100

// publishLine is what publish writes as JSON.
type publishLine struct {
	ID        string `json:"id"`
	Queue     string `json:"queue"`
	Duplicate bool   `json:"duplicate"`
	Error     string `json:"error,omitempty"`
}

func publish(ctx context.Context, s *session) error {
	template, err := s.template(time.Now())
	if err != nil {
		return err
	}
	in, err := s.input()
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // it was read
	q, err := s.find(ctx)
	if err != nil {
		return err
	}
	if !s.Bool("lines") {
		if template.Body, err = io.ReadAll(in); err != nil {
			return fmt.Errorf("read the body: %w", err)
		}
		failed, err := s.send(ctx, q, []queue.Message{template})
		return sent(failed, 1, err)
	}
	return s.publishLines(ctx, q, template, in)
}

// template returns the message of the flags, without a body.
func (s *session) template(now time.Time) (queue.Message, error) {
	m := queue.Message{
		ID: s.String("id"), Priority: s.Int("priority"), UniqueKey: s.String("unique"), ContentType: s.String("type"),
	}
	if s.Bool("lines") && (m.ID != "" || m.UniqueKey != "") {
		return m, usagef("--id and --unique are for one message, and --lines makes many")
	}
	headers, err := headersOf(s.StringSlice("header"))
	if err != nil {
		return m, err
	}
	if kind := s.String("kind"); kind != "" {
		headers[queue.HeaderKind] = kind
	}
	m.Headers = headers
	switch delay, at := s.Duration("delay"), s.String("at"); {
	case delay < 0:
		return m, usagef("--delay is %v; want more than 0", delay)
	case delay > 0 && at != "":
		return m, usagef("--delay and --at are two times; want one of them")
	case delay > 0:
		m.NotBefore = now.Add(delay)
	case at != "":
		if m.NotBefore, err = time.Parse(time.RFC3339, at); err != nil {
			return m, usagef("--at is %q; want a time like 2026-01-31T15:04:05Z", at)
		}
	}
	return m, m.Check()
}

func headersOf(pairs []string) (map[string]string, error) {
	headers := map[string]string{}
	for _, pair := range pairs {
		name, value, found := strings.Cut(pair, "=")
		if !found || name == "" {
			return nil, usagef("--header is %q; want NAME=VALUE", pair)
		}
		headers[name] = value
	}
	return headers, nil
}

// input opens the file of the second argument, or the standard input.
func (s *session) input() (io.ReadCloser, error) {
	if s.Args().Len() > 1 && s.Args().Get(1) != "-" {
		file, err := os.Open(s.Args().Get(1))
		if err != nil {
			return nil, usagef("FILE: %w", err)
		}
		return file, nil
	}
	if s.screen.Listens() {
		s.screen.Notef("type the body, and end it with Ctrl-D")
	}
	return io.NopCloser(s.app.In), nil
}

// publishLines publishes a message for each line.
func (s *session) publishLines(ctx context.Context, q broker.Queue, template queue.Message, in io.Reader) error {
	progress := s.screen.Progress("published", 0)
	defer progress.End()
	lines, failed, total := bufio.NewReader(in), 0, 0
	for more := true; more; {
		var msgs []queue.Message
		for more && len(msgs) < batch {
			line, err := lines.ReadString('\n')
			if more = err == nil; err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("read the lines: %w", err)
			}
			if line = strings.TrimRight(line, "\r\n"); line != "" {
				m := template
				m.Body = []byte(line)
				msgs = append(msgs, m)
			}
		}
		n, err := s.send(ctx, q, msgs)
		failed, total = failed+n, total+len(msgs)
		progress.Add(len(msgs))
		if n == len(msgs) && n > 0 || ctx.Err() != nil {
			return sent(failed, total, err)
		}
	}
	return sent(failed, total, nil)
}

// sent returns the error about messages that were not confirmed. The reason is that of the last
// ones.
func sent(failed, total int, err error) error {
	if failed == 0 {
		return nil
	}
	if err == nil {
		return foundf("%d of %d messages were not confirmed", failed, total)
	}
	return fmt.Errorf("%d of %d messages were not confirmed: %w", failed, total, err)
}

// send publishes messages, shows what became of each, and returns how many were not confirmed.
func (s *session) send(ctx context.Context, q broker.Queue, msgs []queue.Message) (failed int, err error) {
	if len(msgs) == 0 {
		return 0, nil
	}
	bounded, cancel := s.bounded(ctx)
	defer cancel()
	results, err := queue.PublishResults(bounded, q, msgs...)
	for _, r := range results {
		line := publishLine{ID: r.ID, Queue: q.Name(), Duplicate: r.Duplicate}
		if r.Err != nil {
			failed++
			line.Error = r.Err.Error()
		}
		switch {
		case s.screen.IsJSON():
			s.screen.Object(line)
		case r.Err != nil: // the error of all follows
		case r.Duplicate:
			s.screen.Printf("%s\tduplicate\n", terminal.Text(r.ID))
		default:
			s.screen.Printf("%s\n", terminal.Text(r.ID))
		}
	}
	s.screen.Flush()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return failed, err
}
