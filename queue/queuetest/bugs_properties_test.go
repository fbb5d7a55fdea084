package queuetest_test

import "github.com/gentask/gentask/queue"

// propertyBugs returns mistakes with the properties of a message.
func propertyBugs() map[string]bug {
	return map[string]bug{
		"properties are lost": {
			found:   "properties/reach_the_job",
			publish: func(m *queue.Message) { m.Properties = nil },
		},
		"properties are lost by a copy": {
			found: "properties/survive_every_settlement",
			deliver: func(d *queue.Delivery) {
				if d.Attempt > 1 {
					d.Properties = nil
				}
			},
		},
		"no properties are empty ones": {
			found: "properties/none_costs_nothing",
			deliver: func(d *queue.Delivery) {
				if d.Properties == nil {
					d.Properties = &queue.Properties{}
				}
			},
		},
		"a bad property is taken": {
			found:   "properties/bad_ones_are_refused",
			publish: func(m *queue.Message) { m.Properties = nil },
		},
	}
}
