package batching_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gentask/gentask/internal/batching"
)

// Three tasks meet. One of them calls the function, and each has a result of its own.
func Example() {
	set := batching.New(batching.Settings{Slots: 10})
	insert := &batching.Function{Size: 3, Wait: time.Second, Call: insertAll}
	var tasks sync.WaitGroup
	for _, name := range []string{"anna", "bert", "cora"} {
		tasks.Go(func() {
			m := &batching.Member{Owner: name, ID: name, Attempt: 1}
			fmt.Println(name, set.Join(context.Background(), insert, m).Err)
		})
	}
	tasks.Wait()
	// Unordered output:
	// insert 3 rows
	// anna <nil>
	// bert duplicate key
	// cora gentask: no result for this job of the batch
}

func insertAll(_ context.Context, members []*batching.Member) (map[string]error, error) {
	fmt.Println("insert", len(members), "rows")
	return map[string]error{"anna": nil, "bert": errors.New("duplicate key")}, nil
}
