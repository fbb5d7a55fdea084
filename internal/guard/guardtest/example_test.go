package guardtest_test

import (
	"fmt"

	"github.com/gentask/gentask/internal/guard"
	"github.com/gentask/gentask/internal/guard/guardtest"
)

func ExampleErrors() {
	fmt.Println(guard.Seal(guardtest.Errors()[3].Err))
	// Output: panics in Unwrap
}
