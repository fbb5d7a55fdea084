package fleet

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"runtime/debug"
	"time"

	"github.com/gentask/gentask/queue"
)

// Config configures a node. The zero value is valid.
type Config struct {
	// Name is the name of the fleet: 1 to 50 of a to z, digits, hyphens and underscores. Fleets
	// with different names on one broker don't see each other. Empty means "gentask".
	Name string

	// Node identifies this node among the others of the fleet, in at most 100 bytes. No two
	// processes may have it at the same time. A process that takes the place of another, such as
	// the next pod of a StatefulSet, may have the same one. Empty means the host's name, with a
	// random suffix.
	Node string

	// Version is that of the program, for operators. Empty means the version or the revision that
	// the build has recorded.
	Version string

	// Wait is how long [Node.Nodes] and [Command.Report] go on after the last answer, because they
	// can't know how many there will be. Zero means 200 ms.
	Wait time.Duration

	// Keep is how long the cancellation of a job, and the drain of a node, are remembered. Zero
	// means 24 h.
	Keep time.Duration

	// Trees are the supervisors of the program that [Node.Tree] shows, by a name of 1 to 100 bytes:
	// at most 50. A tree that has ended is shown with an error. Nil means none.
	Trees map[string]TreeRoot

	// Logger receives what an operator should know: commands that are refused, other nodes with the
	// same Node, and when no command can come. Its handler is called on a goroutine of its own. Nil
	// means slog.Default().
	Logger *slog.Logger
}

const (
	maxNode    = 100
	maxVersion = 200
)

func (c Config) check() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: fleet: "+format, append([]any{queue.ErrConfig}, args...)...))
	}
	if c.Name != "" {
		if err := queue.CheckSeamName(c.Name); err != nil {
			errs = append(errs, fmt.Errorf("fleet: Config.Name: %w", err))
		}
	}
	if len(c.Node) > maxNode {
		bad("Config.Node has %d bytes; want at most %d", len(c.Node), maxNode)
	}
	if len(c.Version) > maxVersion {
		bad("Config.Version has %d bytes; want at most %d", len(c.Version), maxVersion)
	}
	if c.Wait < 0 {
		bad("Config.Wait is %v; want 0 for 200ms, or more", c.Wait)
	}
	if c.Keep < 0 {
		bad("Config.Keep is %v; want 0 for 24h, or more", c.Keep)
	}
	return errors.Join(append(errs, c.checkTrees())...)
}

func (c Config) checkTrees() error {
	if len(c.Trees) > mostTrees {
		return fmt.Errorf("%w: fleet: Config.Trees has %d trees; want at most %d",
			queue.ErrConfig, len(c.Trees), mostTrees)
	}
	for name, root := range c.Trees {
		if n := len(name); n == 0 || n > maxNode {
			return fmt.Errorf("%w: fleet: Config.Trees has a name of %d bytes; want 1 to %d",
				queue.ErrConfig, n, maxNode)
		}
		if root.System == nil || root.PID == nil {
			return fmt.Errorf("%w: fleet: Config.Trees[%q] has no System or no PID; want both", queue.ErrConfig, name)
		}
	}
	return nil
}

func (c Config) orDefaults() Config {
	c.Name = cmp.Or(c.Name, "gentask")
	c.Version = cmp.Or(c.Version, builtVersion())
	c.Wait = cmp.Or(c.Wait, 200*time.Millisecond)
	c.Keep = cmp.Or(c.Keep, 24*time.Hour)
	c.Trees = maps.Clone(c.Trees) // a later change by the caller changes nothing
	if c.Node == "" {
		c.Node = clip(hostName(), maxNode-9) + "-" + randomName(4)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// builtVersion returns the version of the main module, or the revision that it was built from.
func builtVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && info.Main.Version == "(devel)" {
			return clip(s.Value, maxVersion)
		}
	}
	return clip(info.Main.Version, maxVersion)
}

func hostName() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "node"
	}
	return name
}

// randomName returns n random bytes in hexadecimal.
func randomName(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // it never fails
	return hex.EncodeToString(b)
}
