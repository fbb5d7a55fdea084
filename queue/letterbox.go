package queue

import "context"

// LetterBox gives access to the dead letters of a queue. A driver implements it; [Letters]
// implements the operations on top of it. Its methods are safe for concurrent use.
type LetterBox interface {
	// OpenLetters starts a walk over the present dead letters, the oldest first. The walk of a
	// queue that has none, or was never used, is empty.
	OpenLetters(ctx context.Context) (LetterWalk, error)
}

// LetterWalk is one pass through the dead letters of a queue. It keeps a bounded part of them in
// memory. It must be used by one goroutine at a time.
type LetterWalk interface {
	// Next returns the next letter, read as the driver reads messages. It returns io.EOF after all
	// letters that were present when the walk was opened. It may continue with letters that have
	// come since. The letter stays where it is unless Redrive or Remove follow.
	Next(ctx context.Context) (Message, error)

	// Redrive publishes the letter that Next returned last into the queue, with its headers
	// rewritten. It waits for the broker's confirm, and only then removes the letter. It returns
	// false without an error if the letter is gone already, because another walk took it. After an
	// error the letter is still there, and the message may be in the queue; it is not after an
	// error that wraps [ErrKeyTaken].
	Redrive(ctx context.Context, rewrite Rewrite) (bool, error)

	// Remove takes out the letter that Next returned last. It returns false if the letter is gone
	// already.
	Remove(ctx context.Context) (bool, error)

	// Close ends the walk. When it returns, others can see every letter that was not taken out. It
	// does not wait after ctx has ended.
	Close(ctx context.Context) error
}

// Rewrite describes changes to the headers of a message. Each header is set to its value here, or
// removed if the value is empty. The others stay.
type Rewrite map[string]string

// Apply returns a copy of headers with the changes applied.
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
