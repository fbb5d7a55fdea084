package queue

import "context"

// LetterBox is what a driver knows about the dead letters of a queue. What is done with them is written once, in Letters. Its methods are safe
// for concurrent use.
type LetterBox interface {
	// OpenLetters starts a walk over the dead letters that lie there now, the oldest first. A queue without any, or that was never used, has
	// an empty one.
	OpenLetters(ctx context.Context) (LetterWalk, error)
}

// LetterWalk is one way through the dead letters of a queue. It keeps a bounded part of them in memory. One goroutine uses it.
type LetterWalk interface {
	// Next returns the next letter, read as the driver reads messages, and io.EOF when all were seen that lay there when the walk was opened. It
	// may go on to what has come meanwhile. The letter stays where it is unless Redrive or Remove follow.
	Next(ctx context.Context) (Message, error)

	// Redrive publishes the letter that Next returned last into the queue, its headers rewritten, waits for the broker's confirm, and only then
	// takes it out. It returns false without an error when the letter is gone, because somebody else was faster. After an error the letter
	// is still there, and the message may be in the queue.
	Redrive(ctx context.Context, rewrite Rewrite) (bool, error)

	// Remove takes out the letter that Next returned last. It returns false when somebody else was faster.
	Remove(ctx context.Context) (bool, error)

	// Close ends the walk: everything that was not taken out can be seen by others when it returns. When ctx has ended, it does not wait.
	Close(ctx context.Context) error
}

// Rewrite says how the headers of a message change: each is set to its value here, or left out when that is empty. The others stay.
type Rewrite map[string]string

// Apply returns a copy of headers, rewritten.
func (r Rewrite) Apply(headers map[string]string) map[string]string {
	all := make(map[string]string, len(headers)+len(r))
	for name, value := range headers {
		if _, found := r[name]; !found {
			all[name] = value
		}
	}
	for name, value := range r {
		if value != "" {
			all[name] = value
		}
	}
	return all
}
