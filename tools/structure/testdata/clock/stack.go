package clock

type stack[T any] struct{ items []T }

func (s *stack[T]) top() *T { return &s.items[len(s.items)-1] }
