package admission

import "github.com/gentask/gentask/internal/list"

// chains are items by a name that they share. Only the first of each chain may be at work.
type chains[N comparable] struct {
	links func(*Item) *list.Links[Item]
	by    map[N]list.List[Item]
}

// The chains that an item can be in. The set is closed.
const (
	chainOfID = iota
	chainOfOrder
	chainKinds
)

func idLinks(it *Item) *list.Links[Item] { return &it.chained[chainOfID] }

func orderLinks(it *Item) *list.Links[Item] { return &it.chained[chainOfOrder] }

func newChains[N comparable](links func(*Item) *list.Links[Item]) chains[N] {
	return chains[N]{links: links, by: map[N]list.List[Item]{}}
}

// join puts an item at the end of the chain of a name. The zero name has no chain.
func (c *chains[N]) join(it *Item, name N) {
	if name == *new(N) {
		return
	}
	chain, ok := c.by[name]
	if !ok {
		chain = list.New(c.links)
	} else {
		it.ahead++
	}
	chain.Push(it)
	c.by[name] = chain
}

// leave takes an item out of its chain, and returns the one that is the first now and was not
// before; nil if there is none.
func (c *chains[N]) leave(it *Item, name N) *Item {
	if !c.links(it).In() {
		return nil
	}
	chain := c.by[name]
	first := chain.First() == it
	if !first {
		it.ahead--
	}
	chain.Remove(it)
	if chain.Len() == 0 {
		delete(c.by, name)
		return nil
	}
	c.by[name] = chain
	if first {
		return chain.First()
	}
	return nil
}

// replace puts next where it is, which is the first of its chain.
func (c *chains[N]) replace(it, next *Item, name N) {
	if !c.links(it).In() {
		return
	}
	chain := c.by[name]
	chain.Replace(it, next)
	c.by[name] = chain
}

// behindFirst appends all items that are not the first of their chain.
func (c *chains[N]) behindFirst(to []*Item) []*Item {
	for _, chain := range c.by {
		for it := chain.Next(chain.First()); it != nil; it = chain.Next(it) {
			to = append(to, it)
		}
	}
	return to
}
