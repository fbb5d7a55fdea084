package guard

// Is reports whether target is err, or one of the errors that err wraps. It compares and calls no
// method of a sealed error, so a user's Is method is not called. It is safe for any target.
func Is(err, target error) bool {
	found := false
	visit(err, func(node error, _ bool) bool {
		found = same(node, target)
		return found
	})
	return found
}

// As returns the first E among err and the errors that it wraps, as [Is] finds it. E must be a type
// of this module or of the standard library, because the caller is about to use it.
func As[E error](err error) (found E, ok bool) {
	visit(err, func(node error, _ bool) bool {
		found, ok = node.(E) //nolint:errorlint // this node
		return ok
	})
	return found, ok
}

// Stack returns the stack of err, or "" if neither err nor an error that it wraps has one.
func Stack(err error) (stack string) {
	visit(err, func(node error, inside bool) bool {
		switch node := node.(type) { //nolint:errorlint // this node
		case *SealedError:
			stack = node.Stack()
		case interface{ Stack() string }:
			if !inside {
				stack = node.Stack()
			}
		}
		return stack != ""
	})
	return stack
}

// visit calls f for err and the errors that it wraps, depth first, until f returns true. Inside a
// sealed error it uses what Seal has read. Other errors are of this module's making, or of the
// standard library's.
func visit(err error, f func(node error, inside bool) bool) {
	pending := []error{err}
	for visited := 0; len(pending) > 0 && visited < maxNodes; visited++ {
		node := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		if node == nil {
			continue
		}
		if f(node, false) {
			return
		}
		switch node := node.(type) { //nolint:errorlint // this node
		case *SealedError:
			for _, inner := range node.tree {
				if f(inner, true) {
					return
				}
			}
		case interface{ Unwrap() error }:
			pending = append(pending, node.Unwrap())
		case interface{ Unwrap() []error }:
			wrapped := node.Unwrap()
			for i := len(wrapped) - 1; i >= 0; i-- {
				pending = append(pending, wrapped[i])
			}
		}
	}
}

// same reports whether a and b are the same error, sealed or not. Values that can't be compared are
// not the same.
func same(a, b error) (equal bool) {
	defer func() {
		if recover() != nil {
			equal = false
		}
	}()
	if a == b { //nolint:errorlint // identity
		return true
	}
	s, sealed := b.(*SealedError)   //nolint:errorlint // the outermost
	return sealed && a == s.tree[0] //nolint:errorlint // identity
}
