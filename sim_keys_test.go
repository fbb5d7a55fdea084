package gentask

// simKeys are parts of limits of keys that others have, too.
type simKeys struct {
	conductor *conductor
	consumer  *Consumer
	by        map[string]*simQuota
}

// of returns the part of a key.
func (k *simKeys) of(key string) *simQuota {
	q := k.by[key]
	if q == nil {
		q = &simQuota{conductor: k.conductor, consumer: k.consumer, size: 1}
		k.by[key] = q
	}
	return q
}

// Want implements KeyQuota.
func (k *simKeys) Want(key string, n int) { k.of(key).Want(n) }

// Acquire implements KeyQuota.
func (k *simKeys) Acquire(key string) (QuotaUnit, bool) { return k.of(key).Acquire() }

// play changes how many units there are of a key, or takes one away that is in use.
func (k *simKeys) play() { k.of(oneOf(k.conductor, "a", "b", "c")).play() }

// resize sets how many units there are of each key.
func (k *simKeys) resize(n int) {
	for _, key := range []string{"a", "b", "c"} {
		k.of(key).resize(n)
	}
}

// left describes what is taken or wanted; empty if nothing is.
func (k *simKeys) left() (what []string) {
	for key, q := range k.by {
		if len(q.used) > 0 || q.want > 0 || q.faults != nil {
			what = append(what, key)
		}
	}
	return what
}
