package admission_test

import (
	"fmt"
	"time"

	"github.com/gentask/gentask/internal/admission"
)

// Three deliveries wait, two of them of one order key, and at most two may start in a second.
func Example() {
	queue := admission.NewQueue([]admission.Gate{admission.NewRate(admission.Limit{PerSecond: 2, Burst: 2})})
	for i, key := range []string{"a", "a", "b"} {
		queue.Push(&admission.Item{
			Owner: fmt.Sprint(key, i), Serial: uint64(i), //nolint:gosec // a small number
			Keys: &admission.Keys{Order: key},
		})
	}
	now := time.Unix(0, 0)
	for {
		it, answer := queue.Next(now)
		if it == nil {
			fmt.Println(answer.Kind)
			return
		}
		fmt.Println(answer.Kind, it.Owner)
		queue.Started(it, now)
	}
	// Output:
	// admit a0
	// admit b2
	// skip
}
