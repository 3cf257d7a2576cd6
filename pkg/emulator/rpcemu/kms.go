package rpcemu

import (
	"encoding/json"
	"slices"

	"github.com/replidesk/replidesk/pkg/emulator/world"
)

// kmsActions are the operations of KMS on keys, their policies and aliases, and the
// symmetric ones with them. They ask the policies by themselves: the resource is
// known only once an alias is resolved.
//
// What the real service has and this one does not: tags, rotation, versions, imported
// material, asymmetric operations, secrets and certificates.
func kmsActions() []action {
	key := param{"KeyId", true}
	context := param{"EncryptionContext", false}
	page := []param{{"PageNumber", false}, {"PageSize", false}}
	onKey := func(name string, write bool, do func(*call) (any, *world.Error), more ...param) action {
		return action{name: name, write: write, resource: "KeyId", params: append([]param{key}, more...), do: do}
	}
	changes := func(name string, change func(*world.World, world.KMSCaller, string) *world.Error) action {
		return onKey(name, true, func(c *call) (any, *world.Error) { return nil, change(c.world, c.kms(), c.get("KeyId")) })
	}
	return []action{
		{name: "CreateKey", write: true, do: createKey, params: []param{
			{"KeySpec", false}, {"KeyUsage", false}, {"Origin", false}, {"Description", false}, {"ProtectionLevel", false},
			{"EnableAutomaticRotation", false}, {"DKMSInstanceId", false}, {"Policy", false},
		}},
		onKey("DescribeKey", false, describeKey),
		{name: "ListKeys", do: listKeys, params: append(page, param{"Filters", false})},
		onKey("GetKeyPolicy", false, getKeyPolicy, param{"PolicyName", false}),
		onKey("SetKeyPolicy", true, setKeyPolicy, param{"PolicyName", false}, param{"Policy", true}),
		changes("EnableKey", (*world.World).EnableKey),
		changes("DisableKey", (*world.World).DisableKey),
		changes("CancelKeyDeletion", (*world.World).CancelKeyDeletion),
		onKey("ScheduleKeyDeletion", true, scheduleKeyDeletion, param{"PendingWindowInDays", true}),
		onKey("CreateAlias", true, func(c *call) (any, *world.Error) {
			return nil, c.world.CreateAlias(c.kms(), c.get("AliasName"), c.get("KeyId"))
		}, param{"AliasName", true}),
		{name: "DeleteAlias", write: true, resource: "AliasName", params: []param{{"AliasName", true}}, do: func(c *call) (any, *world.Error) {
			return nil, c.world.DeleteAlias(c.kms(), c.get("AliasName"))
		}},
		{name: "ListAliases", do: listAliases, params: page},
		onKey("ListAliasesByKeyId", false, listAliasesByKeyID, page...),
		onKey("GenerateDataKey", false, generateDataKey, param{"KeySpec", false}, param{"NumberOfBytes", false}, context),
		onKey("GenerateDataKeyWithoutPlaintext", false, generateDataKey, param{"KeySpec", false}, param{"NumberOfBytes", false}, context),
		onKey("Encrypt", false, encrypt, param{"Plaintext", true}, context),
		{name: "Decrypt", do: decrypt, params: []param{{"CiphertextBlob", true}, context}},
	}
}

func (c *call) kms() world.KMSCaller {
	return world.KMSCaller{Principal: c.caller, Region: c.Region, Context: conditions(c.Request)}
}

// notValid is the refusal of KMS for a parameter that cannot be read.
func notValid(name string) *world.Error {
	return bad("InvalidParameter", "The specified parameter \""+name+"\" is not valid.")
}

type keyMetadata struct {
	KeyID              string `json:"KeyId"`
	Arn                string
	Creator            string
	KeyState           string
	KeySpec            string
	KeyUsage           string
	Origin             string
	ProtectionLevel    string
	Description        string
	CreationDate       string
	DeleteDate         string
	MaterialExpireTime string
	PrimaryKeyVersion  string
	LastRotationDate   string
	AutomaticRotation  string
	DeletionProtection string
	DKMSInstanceID     string `json:"DKMSInstanceId"`
}

type keyResult struct{ KeyMetadata keyMetadata }

// wireKey shows a key. The creator of a key that KMS made for a service is that service.
func wireKey(k world.Key) keyResult {
	m := keyMetadata{
		KeyID: k.ID, Arn: k.ARN(), Creator: k.Account, KeyState: k.State, KeySpec: k.Spec, KeyUsage: k.Usage, Origin: k.Origin,
		ProtectionLevel: k.Protection, Description: k.Description, CreationDate: date(k.Created), PrimaryKeyVersion: k.Version,
		LastRotationDate: date(k.Created), AutomaticRotation: "Disabled", DeletionProtection: "Disabled", DKMSInstanceID: k.Instance,
	}
	if k.Service != "" {
		m.Creator = k.Service
	}
	if !k.Deletes.IsZero() {
		m.DeleteDate = date(k.Deletes)
	}
	return keyResult{m}
}

func createKey(c *call) (any, *world.Error) {
	if r := c.get("EnableAutomaticRotation"); r != "" && r != "false" {
		return nil, notValid("EnableAutomaticRotation") // keys do not rotate here
	}
	k, e := c.world.CreateKey(c.kms(), world.NewKey{
		Spec: c.get("KeySpec"), Usage: c.get("KeyUsage"), Origin: c.get("Origin"), Protection: c.get("ProtectionLevel"),
		Description: c.get("Description"), Instance: c.get("DKMSInstanceId"), Policy: c.get("Policy"),
	})
	if e != nil {
		return nil, e
	}
	return wireKey(k), nil
}

func describeKey(c *call) (any, *world.Error) {
	k, e := c.world.DescribeKey(c.kms(), c.get("KeyId"), c.view())
	if e != nil {
		return nil, e
	}
	return wireKey(k), nil
}

// paging is what the answer to a listing says of its pages.
type paging struct {
	PageNumber, PageSize, TotalCount int
}

// page cuts the page out of a list that the call asks for.
func page[T any](c *call, list []T) ([]T, paging, *world.Error) {
	number, e1 := c.number("PageNumber", 1)
	size, e2 := c.number("PageSize", 10)
	if e1 != nil {
		return nil, paging{}, notValid("PageNumber")
	}
	if e2 != nil || size > 100 {
		return nil, paging{}, notValid("PageSize")
	}
	p := paging{PageNumber: number, PageSize: size, TotalCount: len(list)}
	from := min((number-1)*size, len(list))
	return append([]T{}, list[from:min(from+size, len(list))]...), p, nil
}

type keyEntry struct {
	KeyID  string `json:"KeyId"`
	KeyArn string
}

func listKeys(c *call) (any, *world.Error) {
	wanted, e := keyFilter(c.get("Filters"))
	if e != nil {
		return nil, e
	}
	keys, e := c.world.ListKeys(c.kms(), c.view())
	if e != nil {
		return nil, e
	}
	entries := []keyEntry{}
	for _, k := range keys {
		if wanted(k) {
			entries = append(entries, keyEntry{k.ID, k.ARN()})
		}
	}
	entries, p, e := page(c, entries)
	if e != nil {
		return nil, e
	}
	return struct {
		Keys struct{ Key []keyEntry }
		paging
	}{struct{ Key []keyEntry }{entries}, p}, nil
}

// keyFilter reads [{"Key": "KeyState", "Values": ["Enabled"]}]: of the values of one
// property any must hold, of the properties all.
func keyFilter(text string) (func(world.Key) bool, *world.Error) {
	var filters []struct {
		Key    string
		Values []string
	}
	if text != "" && json.Unmarshal([]byte(text), &filters) != nil {
		return nil, notValid("Filters")
	}
	properties := map[string]func(world.Key) string{
		"KeyState":        func(k world.Key) string { return k.State },
		"KeySpec":         func(k world.Key) string { return k.Spec },
		"KeyUsage":        func(k world.Key) string { return k.Usage },
		"ProtectionLevel": func(k world.Key) string { return k.Protection },
		"CreatorType": func(k world.Key) string {
			if k.Service != "" {
				return "Service"
			}
			return "User"
		},
	}
	values := map[string][]string{}
	for _, f := range filters {
		if properties[f.Key] == nil {
			return nil, notValid("Filters")
		}
		values[f.Key] = append(values[f.Key], f.Values...)
	}
	return func(k world.Key) bool {
		for name, allowed := range values {
			if !slices.Contains(allowed, properties[name](k)) {
				return false
			}
		}
		return true
	}, nil
}

func getKeyPolicy(c *call) (any, *world.Error) {
	doc, e := c.world.KeyPolicy(c.kms(), c.get("KeyId"), c.get("PolicyName"), c.view())
	if e != nil {
		return nil, e
	}
	return struct{ Policy string }{string(doc)}, nil
}

func setKeyPolicy(c *call) (any, *world.Error) {
	return nil, c.world.SetKeyPolicy(c.kms(), c.get("KeyId"), c.get("PolicyName"), c.get("Policy"))
}

func scheduleKeyDeletion(c *call) (any, *world.Error) {
	days, e := c.number("PendingWindowInDays", 0)
	if e != nil {
		return nil, notValid("PendingWindowInDays")
	}
	return nil, c.world.ScheduleKeyDeletion(c.kms(), c.get("KeyId"), days)
}
