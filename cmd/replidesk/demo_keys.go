package main

import (
	"fmt"

	"github.com/replidesk/replidesk/pkg/emulator/world"
	"github.com/replidesk/replidesk/pkg/localcloud"
)

// keyVariable is the placeholder for the key of copies in example tickets.
const keyVariable = "LOCAL_KMS_KEY_ID"

// Regions of the keys: those of the pair whose objects are encrypted.
const (
	keyedSource = "cn-hangzhou"
	keyedCopies = "cn-shanghai"
)

// exampleKeys are the ids of two keys of KMS in account A: one for objects at the source, one
// for their copies.
type exampleKeys struct{ source, copies string }

// newKeys makes the keys that the examples need.
func newKeys(c *localcloud.Cloud) (exampleKeys, error) {
	ids := map[string]string{}
	for _, region := range []string{keyedSource, keyedCopies} {
		k, e := c.World().CreateKey(world.KMSCaller{Principal: c.A.Root.Principal, Region: region}, world.NewKey{Description: "of the example tickets"})
		if e != nil {
			return exampleKeys{}, fmt.Errorf("key in %s: %w", region, e)
		}
		ids[region] = k.ID
	}
	return exampleKeys{source: ids[keyedSource], copies: ids[keyedCopies]}, nil
}
