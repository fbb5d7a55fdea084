package address_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gentask/gentask/queue/internal/address"
)

func ExampleAsked() {
	password := "first"
	book := address.Asked(func(context.Context) ([]string, error) {
		return []string{"amqp://me:" + password + "@one", "amqp://me:" + password + "@two"}, nil
	})
	fmt.Println(book.URLs(context.Background()))
	password = "second"
	fmt.Println(book.URLs(context.Background()))
	// Output:
	// [amqp://me:first@one amqp://me:first@two] <nil>
	// [amqp://me:second@one amqp://me:second@two] <nil>
}

// TestBadFunctions: however the function fails, the caller gets an error, and the next connection
// calls it again.
func TestBadFunctions(t *testing.T) {
	broken := errors.New("vault is sealed")
	for _, tc := range []struct {
		name string
		f    address.Func
		want string
	}{
		{"error", func(context.Context) ([]string, error) { return nil, broken }, "Config.URLs: vault is sealed"},
		{"nothing", func(context.Context) ([]string, error) { return nil, nil }, "no URL"},
		{"panic", func(context.Context) ([]string, error) { panic("oops") }, "Config.URLs panicked: oops"},
		{"nil panic", func(context.Context) ([]string, error) { panic(nil) }, "Config.URLs panicked"},
		{"goexit", func(context.Context) ([]string, error) { runtime.Goexit(); return nil, nil }, "runtime.Goexit"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			book := address.Asked(tc.f)
			for range 20 {
				_, err := book.URLs(t.Context())
				require.ErrorContains(t, err, tc.want)
			}
		})
	}
}

// TestHang: a function that never returns holds no caller for longer than the context, and at most
// 16 goroutines.
func TestHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		var running atomic.Int32
		book := address.Asked(func(context.Context) ([]string, error) {
			running.Add(1)
			<-free
			return []string{"late"}, nil
		})
		for range 20 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			start := time.Now()
			_, err := book.URLs(ctx)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, time.Second, time.Since(start))
		}
		require.EqualValues(t, 16, running.Load())
		close(free)
		synctest.Wait()
		urls, err := book.URLs(t.Context())
		require.NoError(t, err)
		require.Equal(t, []string{"late"}, urls)
	})
}
