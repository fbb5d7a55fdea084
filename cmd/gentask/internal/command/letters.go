package command

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/gentask/gentask/cmd/gentask/internal/terminal"
	"github.com/gentask/gentask/queue"
)

func (a *app) letters() *cli.Command {
	filters := func(more ...cli.Flag) []cli.Flag {
		return append([]cli.Flag{
			&cli.StringFlag{Name: "id", Usage: "only the letter with the message `ID`"},
			&cli.StringFlag{Name: "reason", Usage: "only letters with `TEXT` in their reason"},
			&cli.StringFlag{Name: "fingerprint", Usage: "only letters of the panic with this `FINGERPRINT`"},
			&cli.IntFlag{Name: "limit", Usage: "at most `N` letters, 0 for all", HideDefault: true},
		}, more...)
	}
	yes := &cli.BoolFlag{Name: "yes", Usage: "do not ask", HideDefault: true}
	return &cli.Command{
		Name: "letters", Usage: "list dead letters, give them back, or remove them",
		Commands: []*cli.Command{
			{
				Name: "list", Usage: "list the dead letters of a queue, the oldest first", ArgsUsage: "QUEUE",
				Description: `list takes no letter out. On RabbitMQ others do not see the letters
while it looks. With --group it shows how many letters have the same reason, or the same panic.`,
				Flags: filters(&cli.BoolFlag{
					Name: "group", Usage: "count them by reason and panic",
					HideDefault: true,
				}),
				Action: a.do(spec{least: 1, most: 1}, listLetters),
			},
			{
				Name: "show", Usage: "show letters with body, headers, history, stack and log", ArgsUsage: "QUEUE",
				Flags:  filters(),
				Action: a.do(spec{least: 1, most: 1}, showLetters),
			},
			{
				Name: "redrive", Usage: "give letters back to their queue", ArgsUsage: "QUEUE",
				Description: `redrive gives each letter back as a first attempt, with its ID. A
message is confirmed before its letter is removed. Mend the cause first, try a few with --limit, and
set --rate to what the service behind it bears.`,
				Flags: filters(yes, &cli.FloatFlag{
					Name: "rate", Usage: "at most `N` letters in a second, 0 for no limit", HideDefault: true,
				}),
				Action: a.do(spec{least: 1, most: 1}, redriveLetters),
			},
			{
				Name: "purge", Usage: "remove letters for good", ArgsUsage: "QUEUE",
				Flags:  filters(yes),
				Action: a.do(spec{least: 1, most: 1}, purgeLetters),
			},
		},
	}
}

// filterOf returns the filter of the flags, for at most limit letters.
func (s *session) filterOf() (f queue.LetterFilter, limit int, err error) {
	f = queue.LetterFilter{ID: s.String("id"), Reason: s.String("reason"), Fingerprint: s.String("fingerprint")}
	if limit = s.Int("limit"); limit < 0 {
		return f, 0, usagef("--limit is %d; want a positive number, or 0 for all", limit)
	}
	return f, limit, nil
}

// each calls f for each letter of the flags.
func (s *session) each(ctx context.Context, f func(l *queue.Letter)) (int, error) {
	filter, limit, err := s.filterOf()
	if err != nil {
		return 0, err
	}
	q, err := s.queue(ctx, s.Args().First())
	if err != nil {
		return 0, err
	}
	n := 0
	for letter, err := range q.Letters().All(ctx, filter) {
		if err != nil {
			return n, err
		}
		f(&letter)
		if n++; n == limit {
			break
		}
	}
	return n, nil
}

// letterLine is what letters list writes as JSON.
type letterLine struct {
	ID          string    `json:"id"`
	Queue       string    `json:"queue"`
	DeadAt      time.Time `json:"dead_at,omitzero"`
	Attempts    int       `json:"attempts"`
	Deaths      int       `json:"deaths"`
	Fingerprint string    `json:"fingerprint,omitempty"`
	Reason      string    `json:"reason,omitempty"`
}

func lineOf(name string, l *queue.Letter) letterLine {
	return letterLine{
		ID: l.ID, Queue: name, DeadAt: l.DeadAt, Attempts: l.Attempts, Deaths: l.Deaths, Fingerprint: l.Fingerprint,
		Reason: l.Reason,
	}
}

func listLetters(ctx context.Context, s *session) error {
	if s.Bool("group") {
		return groupLetters(ctx, s)
	}
	table := s.screen.Table("ID", "DEAD AT", "ATTEMPTS", "DEATHS", "FINGERPRINT", "REASON")
	name := s.Args().First()
	n, err := s.each(ctx, func(l *queue.Letter) {
		if s.screen.IsJSON() {
			s.screen.Object(lineOf(name, l))
			return
		}
		table.Row(terminal.Plain(l.ID, moment(l.DeadAt), strconv.Itoa(l.Attempts), strconv.Itoa(l.Deaths),
			l.Fingerprint,
			l.Reason)...)
	})
	table.Close()
	if err == nil && n == 0 {
		s.screen.Notef("no letter matches")
	}
	return err
}

// moment returns a time for people, and a dash for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// letterBody is what letters show and peek write as JSON, beside their lines. A body that is no
// text is in base64.
type letterBody struct {
	letterLine
	Body        string            `json:"body,omitempty"`
	BodyBase64  []byte            `json:"body_base64,omitempty"`
	ContentType string            `json:"content_type,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
	Stack       string            `json:"stack,omitempty"`
	Log         string            `json:"log,omitempty"`
	History     []queue.Death     `json:"history,omitempty"`
}

func showLetters(ctx context.Context, s *session) error {
	name := s.Args().First()
	n, err := s.each(ctx, func(l *queue.Letter) {
		if s.screen.IsJSON() {
			b := letterBody{
				letterLine: lineOf(name, l), ContentType: l.ContentType, Headers: l.Headers, Stack: l.Stack,
				Log: l.Log, History: l.History,
			}
			b.Body, b.BodyBase64 = textOrBytes(l.Body)
			s.screen.Object(b)
			return
		}
		showLetter(s.screen, l)
	})
	if err == nil && n == 0 {
		return missingf("no letter of queue %q matches", name)
	}
	return err
}

func showLetter(out *terminal.Screen, l *queue.Letter) {
	field := func(name, value string) {
		if value != "" {
			out.Printf("%s %s\n", out.Paint(terminal.Title, name+":"), terminal.Lines(value, "  "))
		}
	}
	field("id", l.ID)
	field("dead at", moment(l.DeadAt))
	field("attempts", strconv.Itoa(l.Attempts))
	field("deaths", strconv.Itoa(l.Deaths))
	field("reason", l.Reason)
	field("fingerprint", l.Fingerprint)
	for _, d := range l.History {
		field("died before", fmt.Sprintf("%s, attempts %d, re-driven %s: %s", moment(d.DeadAt), d.Attempts,
			moment(d.RedrivenAt), d.Reason))
	}
	showMessage(out, &l.Message)
	if l.Stack != "" {
		field("stack", "\n"+l.Stack)
	}
	if l.Log != "" {
		field("log", "\n"+l.Log)
	}
	out.Printf("\n")
}
