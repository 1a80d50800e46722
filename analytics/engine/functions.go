package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// openTables are the table functions that analysts may call: they make up rows, or look
// at tables that the analyst may read. Every other one is refused by name wherever it
// stands, because DESCRIBE asks a table function for its columns before grants and
// readonly mode are looked at.
var openTables = words(`numbers numbers_mt zeros zeros_mt primes null generateSeries generate_series generateRandom
	values SQLStandardValues view viewIfPermitted viewExplain merge
	format`) // format: also an ordinary function; as a table function it lacks the grant

// closedCategories are ClickHouse's own categories of functions that hold more than plain
// computing. Their members are refused unless openFunctions names them; so is what a later
// version of the engine adds to them.
var closedCategories = []string{"", "Other", "Introspection", "Internal", "AI"}

// openFunctions are the members of closedCategories that analysts may call: they look at
// nothing but their arguments, the query itself, and the tables that it may read.
var openFunctions = words(`_CAST caseWithExpression nested validateNestedArraySizes
	MACNumToString MACStringToNum MACStringToOUI bar blockNumber blockSerializedSize blockSize byteSize
	colorOKLABToSRGB colorOKLCHToSRGB colorSRGBToOKLAB colorSRGBToOKLCH connectionId countDigits
	currentDatabase currentProfiles currentQueryID currentRoles currentSchemas defaultProfiles defaultRoles
	defaultValueOfArgumentType defaultValueOfTypeName digits dumpColumnStructure enabledProfiles enabledRoles errorCodeToName
	finalizeAggregation flipCoordinates formatQuery formatQueryOrNull formatQuerySingleLine formatQuerySingleLineOrNull
	formatReadableDecimalSize formatReadableQuantity formatReadableSize formatReadableTimeDelta generateRandomStructure
	getSetting getSettingOrDefault getSizeOfEnumType getSubcolumn getTypeSerializationStreams globalVariable hasColumnInTable
	highlightQuery icebergBucket icebergTruncate identity ignore indexHint initialQueryID initialQueryStartTime initializeAggregation
	isConstant isDecimalOverflow joinGet joinGetOrNull lowCardinalityIndices lowCardinalityKeys materialize
	minSampleSizeContinuous minSampleSizeConversion neighbor normalizeQuery normalizeQueryKeepNames
	normalizedQueryHash normalizedQueryHashKeepNames obfuscateQuery obfuscateQueryWithSeed parseReadableSize
	parseReadableSizeOrNull parseReadableSizeOrZero parseTimeDelta partitionId queryID revision rowNumberInAllBlocks rowNumberInBlock
	runningAccumulate runningConcurrency runningDifference runningDifferenceStartingWithFirstValue shardCount shardNum
	sleep sleepEachRow structureToCapnProtoSchema structureToProtobufSchema throwIf toColumnTypeName toTypeName
	tokenizeQuery transform uptime variantElement variantType version visibleWidth`)

// words is a set of names in lower case: some functions may be called in any case.
func words(list string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(list) {
		set[strings.ToLower(word)] = true
	}
	return set
}

// What the engine is asked for its functions. A join of the table with itself would make
// the engine write it, with the whole documentation, twice at each start.
const (
	functionsQuery      = "SELECT name, alias_to, categories FROM system.functions WHERE NOT is_aggregate"
	tableFunctionsQuery = "SELECT name FROM system.table_functions"
)

// forbid asks the engine for all functions that it has, and notes those that analysts may
// not call. A function that it does not have fails by itself.
func (h *handler) forbid(c *conn) error {
	functions, err := c.text(functionsQuery)
	if err != nil {
		return fmt.Errorf("ask ClickHouse for its functions: %w", err)
	}
	tables, err := c.text(tableFunctionsQuery)
	if err != nil {
		return fmt.Errorf("ask ClickHouse for its table functions: %w", err)
	}
	h.byName = words(strings.Join(closedFunctions(functions), " "))
	h.forbidden = words(strings.Join(closedTables(tables), " "))
	maps.Copy(h.forbidden, h.byName)
	for name := range argumentless {
		delete(h.byName, name)
	}
	return nil
}

// closedFunctions are those of the engine's functions that analysts may not call.
func closedFunctions(functions string) (closed []string) {
	categories := map[string]string{}
	for line := range strings.Lines(functions) {
		name, _, category := function(line)
		categories[name] = category
	}
	for line := range strings.Lines(functions) {
		// A function goes by its own name and by the one that it is an alias of, which has
		// the category.
		name, original, category := function(line)
		if original != "" {
			category = categories[original]
		}
		if slices.Contains(closedCategories, category) && !openFunctions[strings.ToLower(name)] && !openFunctions[strings.ToLower(original)] {
			closed = append(closed, name)
		}
	}
	return closed
}

// closedTables are those of the engine's table functions that analysts may not call.
func closedTables(functions string) (closed []string) {
	for name := range strings.FieldsSeq(functions) {
		if !openTables[strings.ToLower(name)] {
			closed = append(closed, name)
		}
	}
	return closed
}

// function cuts a line of the engine's list: a name, the one that it is an alias of, and
// the category.
func function(line string) (name, original, category string) {
	name, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
	original, category, _ = strings.Cut(rest, "\t")
	return name, original, category
}
