package isolate

import "strings"

// A launcher is this program once more. It limits itself, and then becomes the program of a child,
// by exec: so the limits hold for all of its threads, in any language.
const (
	roleLauncher = "launcher"
	envOrder     = "GENTASK_ISOLATE_ORDER"
)

// overlay returns an environment with more variables. They take the place of others of the same
// name, because programs differ in which of two they find.
func overlay(env []string, ours ...string) []string {
	names := map[string]bool{}
	for _, v := range ours {
		name, _, _ := strings.Cut(v, "=")
		names[name] = true
	}
	all := make([]string, 0, len(env)+len(ours))
	for _, v := range env {
		if name, _, _ := strings.Cut(v, "="); !names[name] {
			all = append(all, v)
		}
	}
	return append(all, ours...)
}
