package dashboard

import (
	"context"

	"github.com/gentask/gentask/fleet"
	"github.com/gentask/gentask/queue"
)

// redriveOne gives one letter back to its queue.
func redriveOne(a *acting) (*fleet.Command, error) {
	f := func(ctx context.Context, l *queue.Letters, f queue.LetterFilter) (int, error) {
		return l.Redrive(ctx, f, queue.RedriveOptions{Limit: 1})
	}
	return a.one("given back to the queue", f)
}

// purgeOne removes one letter for good.
func purgeOne(a *acting) (*fleet.Command, error) {
	return a.one("removed", func(ctx context.Context, l *queue.Letters, f queue.LetterFilter) (int, error) {
		return l.Purge(ctx, f)
	})
}

// one calls f with a filter that selects the letter of the action, and no other. The walk ends soon
// after that letter.
func (a *acting) one(done string, f func(context.Context, *queue.Letters, queue.LetterFilter) (int, error),
) (*fleet.Command, error) {
	a.back("letters", "queue", a.Queue)
	q := a.board.queueNamed(a.Queue)
	if q == nil {
		return nil, errNoQueue
	}
	s, err := a.board.letters.take(a.ctx, a.Queue)
	if err != nil {
		return nil, err
	}
	defer s.give()
	defer s.walk()()
	s.clear()
	n, err := call(a.ctx, a.board.hooks.letters, func(ctx context.Context) (int, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		found := false
		n, err := f(ctx, q.Letters(), queue.LetterFilter{Match: func(l *queue.Letter) bool {
			if found {
				cancel() // it is done, and this is the next one
				return false
			}
			found = keyOf(l) == a.Letter
			return found
		}})
		if n > 0 {
			err = nil // of the walk that was ended
		}
		return n, err
	})
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, errNoLetter
	}
	a.Result = done
	return nil, nil //nolint:nilnil // letters have no command
}
