// judges says how those who install resources for others judge them: kstatus, which Helm and Flux build on, and the
// Lua script that Argo CD is given. It reads JSON objects from standard input and prints a line of JSON for each.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kubernetesjson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

type judgement struct {
	Kstatus        string `json:"kstatus"`
	KstatusMessage string `json:"kstatusMessage"`
	Argo           string `json:"argo"`
	ArgoMessage    string `json:"argoMessage"`
}

func main() {
	if len(os.Args) != 2 {
		fail("usage: judges HEALTH.LUA < objects.json")
	}
	script, err := os.ReadFile(os.Args[1])
	check(err)
	decoder := json.NewDecoder(os.Stdin)
	encoder := json.NewEncoder(os.Stdout)
	for {
		var text json.RawMessage
		err := decoder.Decode(&text)
		if err == io.EOF {
			return
		}
		check(err)
		var object map[string]any
		check(kubernetesjson.Unmarshal(text, &object)) // whole numbers as such
		result, err := status.Compute(&unstructured.Unstructured{Object: object})
		check(err)
		health, message, err := judgeByLua(string(script), object)
		check(err)
		check(encoder.Encode(judgement{result.Status.String(), result.Message, health, message}))
	}
}

// As Argo CD runs it: the object is the global "obj", the script returns a table with status and message; of the
// standard library there are the base functions, tables and strings.
func judgeByLua(script string, object map[string]any) (string, string, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable, lua.StringLibName: lua.OpenString,
	} {
		if err := state.CallByParam(lua.P{Fn: state.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			return "", "", err
		}
	}
	state.SetGlobal("obj", toLua(state, object))
	if err := state.DoString(script); err != nil {
		return "", "", err
	}
	answer, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return "", "", fmt.Errorf("the script returned no table")
	}
	return lua.LVAsString(answer.RawGetString("status")), lua.LVAsString(answer.RawGetString("message")), nil
}

func toLua(state *lua.LState, value any) lua.LValue {
	switch typed := value.(type) {
	case map[string]any:
		table := state.NewTable()
		for key, member := range typed {
			table.RawSetString(key, toLua(state, member))
		}
		return table
	case []any:
		table := state.NewTable()
		for _, member := range typed {
			table.Append(toLua(state, member))
		}
		return table
	case string:
		return lua.LString(typed)
	case int64:
		return lua.LNumber(typed)
	case float64:
		return lua.LNumber(typed)
	case bool:
		return lua.LBool(typed)
	}
	return lua.LNil
}

func check(err error) {
	if err != nil {
		fail(err.Error())
	}
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, "judges: "+message)
	os.Exit(1)
}
