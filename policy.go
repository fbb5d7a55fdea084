package gentask

import "fmt"

// Policy is what a consumer does beside running its jobs and settling them. Each field is one policy, off at its zero value; any of them may be
// on at the same time.
type Policy struct{}

// policyPart is a field of Policy.
type policyPart struct {
	name string
	// check returns what makes no sense, beginning with the field's name within the part: "Burst is -3; want ...".
	check func() error
}

// parts has a line for each field.
func (p Policy) parts() []policyPart {
	return []policyPart{}
}

// check refuses what makes no sense, by field.
func (p Policy) check() error {
	for _, part := range p.parts() {
		if err := part.check(); err != nil {
			return fmt.Errorf("%w: Policy.%s.%w", ErrConfig, part.name, err)
		}
	}
	return nil
}
