package command

import (
	"context"
	"fmt"

	"github.com/gentask/gentask/cmd/gentask/internal/broker"
	"github.com/gentask/gentask/queue"
)

// letterChange is what letters redrive and letters purge write as JSON.
type letterChange struct {
	Queue   string `json:"queue"`
	Matched int    `json:"matched"` // when it began
	Done    int    `json:"done"`
	Error   string `json:"error,omitempty"`
}

// redriveLetters implements letters redrive. The limit is that of the driver, which does not count
// a letter that another call has taken.
func redriveLetters(ctx context.Context, s *session) error {
	_, limit, err := s.filterOf()
	if err != nil {
		return err
	}
	opts := queue.RedriveOptions{PerSecond: s.Float("rate"), Limit: limit}
	if !(opts.PerSecond >= 0) { // negated, because a NaN must fail too
		return usagef("--rate is %v; want a positive number, or 0 for no limit", opts.PerSecond)
	}
	return s.change(ctx, "give back", "given back", func(q broker.Queue, f queue.LetterFilter) (int, error) {
		return q.Letters().Redrive(ctx, f, opts)
	})
}

// purgeLetters implements letters purge.
func purgeLetters(ctx context.Context, s *session) error {
	_, limit, err := s.filterOf()
	if err != nil {
		return err
	}
	return s.change(ctx, "remove for good", "removed", func(q broker.Queue, f queue.LetterFilter) (int, error) {
		if limit > 0 {
			f.Match = first(limit, f.Match)
		}
		return q.Letters().Purge(ctx, f)
	})
}

// first returns a match for the first n letters that it is asked about.
func first(n int, match func(*queue.Letter) bool) func(*queue.Letter) bool {
	return func(l *queue.Letter) bool {
		if n == 0 {
			return false
		}
		n--
		return match(l)
	}
}

// change asks whether so many letters should be changed, changes them, and shows what was done.
func (s *session) change(
	ctx context.Context, verb, done string, do func(q broker.Queue, f queue.LetterFilter) (int, error),
) error {
	if !s.Bool("yes") && !s.screen.Listens() {
		return usagef("nobody can be asked here: look with letters list first, then give --yes")
	}
	matched, err := s.each(ctx, func(*queue.Letter) {})
	if err != nil {
		return err
	}
	name := s.Args().First()
	if matched > 0 && !s.Bool("yes") {
		yes, err := s.screen.Confirm(ctx, fmt.Sprintf("%d letters of queue %q match: %s?", matched, name, verb))
		if err != nil {
			return err
		}
		if !yes {
			return foundf("nothing was %s", done)
		}
	}
	report := letterChange{Queue: name, Matched: matched}
	if matched > 0 {
		report.Done, err = s.changeAll(ctx, matched, done, do)
	}
	if err != nil {
		report.Error = err.Error()
	}
	if s.screen.IsJSON() {
		s.screen.Object(report)
	} else {
		s.screen.Printf("%d of %d letters %s\n", report.Done, matched, done)
	}
	return err
}

// changeAll changes the letters that match the flags, with a progress line.
func (s *session) changeAll(
	ctx context.Context, matched int, done string, do func(q broker.Queue, f queue.LetterFilter) (int, error),
) (int, error) {
	filter, _, err := s.filterOf()
	if err != nil {
		return 0, err
	}
	q, err := s.queue(ctx, s.Args().First())
	if err != nil {
		return 0, err
	}
	progress := s.screen.Progress(done, matched)
	defer progress.End()
	filter.Match = func(*queue.Letter) bool { progress.Add(1); return true }
	return do(q, filter)
}
