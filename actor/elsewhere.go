package actor

// PanickedElsewhere returns the exit reason for a panic in another process, given the text of its
// value, and its stack as debug.Stack writes it. Code that panics with it ends as if the panic had
// been its own. Value is the text.
func PanickedElsewhere(text, stack string) *PanicError {
	return &PanicError{Value: text, read: true, text: text, elsewhere: stack}
}

// ExitedElsewhere returns the exit reason for a runtime.Goexit in another process, given its stack
// as debug.Stack writes it. Code that panics with it ends as if it had called runtime.Goexit.
func ExitedElsewhere(stack string) *GoexitError { return &GoexitError{elsewhere: stack} }
