package rpcemu

import (
	"encoding/base64"
	"encoding/json"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

type aliasEntry struct {
	AliasName string
	KeyID     string `json:"KeyId"`
	AliasArn  string
}

func listAliases(c *call) (any, *world.Error) {
	list, e := c.world.ListAliases(c.kms(), c.view())
	if e != nil {
		return nil, e
	}
	return aliasPage(c, list)
}

func listAliasesByKeyID(c *call) (any, *world.Error) {
	list, e := c.world.ListAliasesByKeyID(c.kms(), c.get("KeyId"), c.view())
	if e != nil {
		return nil, e
	}
	return aliasPage(c, list)
}

func aliasPage(c *call, list []world.Alias) (any, *world.Error) {
	list, p, e := page(c, list)
	if e != nil {
		return nil, e
	}
	entries := []aliasEntry{}
	for _, a := range list {
		entries = append(entries, aliasEntry{a.Name, a.KeyID, a.ARN})
	}
	return struct {
		Aliases struct{ Alias []aliasEntry }
		paging
	}{struct{ Alias []aliasEntry }{entries}, p}, nil
}

// encryptionContext reads a JSON object of strings; nil when it was not sent.
func (c *call) encryptionContext() (map[string]string, *world.Error) {
	var m map[string]string
	if text := c.get("EncryptionContext"); text != "" && json.Unmarshal([]byte(text), &m) != nil {
		return nil, notValid("EncryptionContext")
	}
	return m, nil
}

type cipherResult struct {
	KeyID          string `json:"KeyId"`
	KeyVersionID   string `json:"KeyVersionId"`
	Plaintext      string `json:",omitempty"` // base64
	CiphertextBlob string `json:",omitempty"`
}

// generateDataKey answers for both operations of that kind. NumberOfBytes outweighs
// KeySpec.
func generateDataKey(c *call) (any, *world.Error) {
	length, known := map[string]int{"": 32, "AES_256": 32, "AES_128": 16}[c.get("KeySpec")]
	if !known {
		return nil, notValid("KeySpec")
	}
	length, e := c.number("NumberOfBytes", length)
	if e != nil {
		return nil, notValid("NumberOfBytes")
	}
	context, e := c.encryptionContext()
	if e != nil {
		return nil, e
	}
	made, e := c.world.GenerateDataKey(c.kms(), c.Action, c.get("KeyId"), length, context)
	if e != nil {
		return nil, e
	}
	r := cipherResult{KeyID: made.KeyID, KeyVersionID: made.KeyVersion, CiphertextBlob: made.Blob}
	if c.Action == "GenerateDataKey" {
		r.Plaintext = base64.StdEncoding.EncodeToString(made.Plaintext)
	}
	return r, nil
}

func encrypt(c *call) (any, *world.Error) {
	context, e := c.encryptionContext()
	if e != nil {
		return nil, e
	}
	plaintext, err := base64.StdEncoding.DecodeString(c.get("Plaintext"))
	if err != nil {
		return nil, notValid("Plaintext")
	}
	made, e := c.world.EncryptWith(c.kms(), c.get("KeyId"), plaintext, context)
	if e != nil {
		return nil, e
	}
	return cipherResult{KeyID: made.KeyID, KeyVersionID: made.KeyVersion, CiphertextBlob: made.Blob}, nil
}

func decrypt(c *call) (any, *world.Error) {
	context, e := c.encryptionContext()
	if e != nil {
		return nil, e
	}
	opened, e := c.world.Decrypt(c.kms(), c.get("CiphertextBlob"), context)
	if e != nil {
		return nil, e
	}
	return cipherResult{KeyID: opened.KeyID, KeyVersionID: opened.KeyVersion, Plaintext: base64.StdEncoding.EncodeToString(opened.Plaintext)}, nil
}
