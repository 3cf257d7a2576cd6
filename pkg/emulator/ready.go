package emulator

import (
	"math/rand/v2"
	"strconv"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// Regions returns the regions of the ready-made world. The services answer for
// any other too.
func Regions() []string {
	return []string{"cn-hangzhou", "cn-shanghai", "us-west-1", "us-east-1"}
}

// An Account is one account of the ready-made world.
type Account struct {
	UID string
	// Root is a key of the account itself. STS refuses AssumeRole to it.
	Root world.AccessKey
	// User is a key of a RAM user who may do everything in the account.
	User world.AccessKey
}

// Accounts are the two of the ready-made world.
type Accounts struct{ A, B Account }

const administratorAccess = `{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

// Ready makes a cloud with two accounts and nothing in them. Account ids and keys
// are new each time, unless the options give a seed.
func Ready(opt world.Options) (*Cloud, Accounts) {
	if opt.Seed == 0 {
		opt.Seed = rand.Uint64()
	}
	uids := rand.New(rand.NewPCG(opt.Seed, 0))
	c := New(world.New(opt))
	account := func(name string) Account {
		uid := strconv.FormatInt(1e15+uids.Int64N(9e15), 10)
		c.World.AddAccount(name, uid)
		return Account{
			UID:  uid,
			Root: c.World.NewRootKey(uid),
			User: c.World.NewUserKey(uid, "admin", []byte(administratorAccess)),
		}
	}
	return c, Accounts{A: account("A"), B: account("B")}
}
