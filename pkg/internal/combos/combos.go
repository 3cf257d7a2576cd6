// Package combos lists combinations of the options of a ticket, so that every two
// options meet at least once, and says of each what has to come of it. What it says
// is written from the source documents, never from the product: where the two agree,
// that means something.
package combos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// A Factor is one option of a ticket, or one thing about its buckets.
type Factor int

// The factors.
const (
	Regions Factor = iota
	Prefixes
	Tags
	Deletes
	Historical
	Versioning
	Destination
	Acceleration
	RTC
	Canary
	Accounts
	Role
	Encryption
	factors
)

// levels are what each factor can be. The first level is the ordinary one.
var levels = [factors][]string{
	Regions:      {"within mainland", "outside mainland", "across the border", "one region"},
	Prefixes:     {"one prefix", "whole bucket", "four prefixes"},
	Tags:         {"no tags", "all tags", "any tag"},
	Deletes:      {"without deletes", "with deletes"},
	Historical:   {"without history", "with history", "with history over all"},
	Versioning:   {"unversioned", "versioned"},
	Destination:  {"into nothing", "into objects"},
	Acceleration: {"internal", "accelerated"},
	RTC:          {"without RTC", "with RTC"},
	Canary:       {"with canary", "without canary"},
	Accounts:     {"one account", "two accounts", "two owners"},
	Role:         {"new role", "AliyunOSSRole", "custom role"},
	Encryption:   {"not encrypted", "keys left out", "keys copied"},
}

// A Combo is one combination: of each factor, which level.
type Combo [factors]int

// Is reports whether a factor has this level, which has to exist.
func (c Combo) Is(f Factor, level string) bool {
	for i, l := range levels[f] {
		if l == level {
			return c[f] == i
		}
	}
	panic(fmt.Sprintf("factor %d has no level %q", f, level))
}

// String names the levels that are not the ordinary ones.
func (c Combo) String() string {
	var names []string
	for f, l := range c {
		if l > 0 {
			names = append(names, levels[f][l])
		}
	}
	if len(names) == 0 {
		return "nothing special"
	}
	return strings.Join(names, ", ")
}

// pair is two levels of two factors.
type pair struct{ f, g, l, m int }

func (c Combo) has(p pair) bool { return c[p.f] == p.l && c[p.g] == p.m }

func pairs() (all []pair) {
	for f := range int(factors) {
		for g := f + 1; g < int(factors); g++ {
			for l := range levels[f] {
				for m := range levels[g] {
					all = append(all, pair{f, g, l, m})
				}
			}
		}
	}
	return all
}

// The levels of Accounts: of one account; of two, where the desk assumes a role in
// the other; of two, where the owner of the other does what the desk asks for.

// tries is how many random combinations compete for each place of a cover.
const tries = 400

// random returns a combination that has p.
func random(r *rand.Rand, p pair) (c Combo) {
	for f := range c {
		c[f] = r.IntN(len(levels[f]))
	}
	c[p.f], c[p.g] = p.l, p.m
	return c
}

// Accepted returns combinations that go through and in which every two levels meet
// that can be in one ticket. It is the same list every time.
func Accepted() []Combo {
	r := rand.New(rand.NewPCG(1, 1))
	open := pairs()
	var list []Combo
	for len(open) > 0 {
		best, most := Combo{}, 0
		for range tries {
			c := random(r, open[0])
			if len(c.Refused()) > 0 {
				continue
			}
			if n := count(open, c); n > most {
				best, most = c, n
			}
		}
		if most == 0 { // these two exclude each other
			open = open[1:]
			continue
		}
		list = append(list, best)
		open = rest(open, best)
	}
	return list
}

// Refused returns for every two levels that exclude each other, and for every
// conflict, a combination that is refused for this and nothing else.
func Refused() []Combo {
	r := rand.New(rand.NewPCG(1, 2))
	accepted := Accepted()
	var list []Combo
	single := func(p pair, fits func(Combo) bool) {
		for range 100 * tries {
			if c := random(r, p); len(c.Refused()) == 1 && fits(c) {
				list = append(list, c)
				return
			}
		}
		panic(fmt.Sprintf("%s and %s exclude each other for no single reason", levels[p.f][p.l], levels[p.g][p.m]))
	}
	for _, p := range pairs() {
		if !met(accepted, p) && !met(list, p) {
			single(p, func(Combo) bool { return true })
		}
	}
	for _, x := range conflicts {
		if !slices.ContainsFunc(list, x.in) {
			single(pairs()[0], x.in)
		}
	}
	return list
}

func met(list []Combo, p pair) bool {
	return slices.ContainsFunc(list, func(c Combo) bool { return c.has(p) })
}

func count(open []pair, c Combo) (n int) {
	for _, p := range open {
		if c.has(p) {
			n++
		}
	}
	return n
}

func rest(open []pair, c Combo) (left []pair) {
	for _, p := range open {
		if !c.has(p) {
			left = append(left, p)
		}
	}
	return left
}
