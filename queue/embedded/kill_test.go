package embedded

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// worker is a process that works until it is killed. It writes a line for each confirm, and before
// each ack.
func worker(dir string) int {
	b, err := Open(dir, powerConfig)
	if err != nil {
		fmt.Println("error", err)
		return 1
	}
	name := fmt.Sprint(os.Getpid(), "-", rand.Int())
	name = strings.ReplaceAll(name, " ", "")
	err = traffic(context.Background(), b.Queue("jobs"), name, func(id string) { fmt.Println("confirmed", id) },
		func(id string) { fmt.Println("acked", id) })
	fmt.Println("error", err)
	return 1
}

// TestKills: 50 processes are killed, one after the other, in the same directory.
func TestKills(t *testing.T) {
	dir := t.TempDir()
	confirmed, acked := map[string]bool{}, map[string]bool{}
	for range 50 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childDir+"="+dir, childRole+"=work")
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines := bufio.NewReader(out)
		killAfter := 1 + rand.IntN(100)
		for i := 0; ; i++ {
			line, err := lines.ReadString('\n')
			if err != nil {
				break // killed: the rest of the line is nothing
			}
			word, id, _ := strings.Cut(strings.TrimSpace(line), " ")
			switch word {
			case "confirmed":
				confirmed[id] = true
			case "acked":
				acked[id] = true
			default:
				t.Error(line)
			}
			if i == killAfter {
				require.NoError(t, cmd.Process.Kill())
			}
		}
		require.Error(t, cmd.Wait())
	}
	require.Empty(t, lost(t, newBroker(t, dir, powerConfig), confirmed, acked), "of %d", len(confirmed))
}
