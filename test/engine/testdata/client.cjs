// Asks the engine as a customer's program would, with the official client, and prints what
// it made of the answers. Input: {url, username, password}.
const { createClient } = require('@clickhouse/client');

const input = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const said = {};

async function rows(result) {
  let count = 0;
  let sum = 0n;
  for await (const batch of result.stream()) {
    for (const row of batch) {
      count++;
      sum += BigInt(row.json().number);
    }
  }
  return { count, sum: sum.toString() };
}

async function failure(work) {
  try {
    await work();
    return null;
  } catch (err) {
    return { message: String(err.message), code: err.code, type: err.type };
  }
}

async function main() {
  for (const [name, response] of [['plain', false], ['packed', true]]) {
    const client = createClient({
      url: input.url, username: input.username, password: input.password, database: 'chatbell',
      compression: { response, request: false }, max_open_connections: 4,
    });
    said[name] = await ask(client);
    await client.close();
  }
  const wrong = createClient({ url: input.url, username: input.username, password: 'open sesame' });
  said.wrongPassword = await failure(() => wrong.query({ query: 'SELECT 1' }));
  await wrong.close();
  console.log(JSON.stringify(said));
}

async function ask(client) {
  const each = (query, more = {}) => client.query({ query, format: 'JSONEachRow', ...more });
  const got = {};
  got.ping = (await client.ping()).success;
  got.pingSelect = (await client.ping({ select: true })).success;
  const stream = await each('SELECT number FROM numbers(200000)');
  got.stream = await rows(stream);
  got.coding = stream.response_headers['content-encoding'] || '';
  got.queryId = stream.query_id === stream.response_headers['x-clickhouse-query-id'];
  got.json = await (await client.query({ query: 'SELECT a, b FROM t ORDER BY a LIMIT 2', format: 'JSON' })).json();
  got.text = await (await client.query({ query: 'SELECT 1 AS one', format: 'CSVWithNames' })).text();
  got.params = await (await each(
    'SELECT {n:UInt8} AS n, {s:String} AS s, {list:Array(String)} AS list, {when:DateTime64(3)} AS at',
    { query_params: { n: 7, s: "a'b\\c\t☎", list: ['x', "y'z"], when: new Date(1700000000123) } },
  )).json();
  got.setting = await (await each("SELECT getSetting('max_result_rows') AS n", { clickhouse_settings: { max_result_rows: '17' } })).json();
  got.refusedSetting = await failure(() => each('SELECT 1', { clickhouse_settings: { max_network_bandwidth: '1' } }));
  got.unknownTable = await failure(() => each('SELECT * FROM nope'));
  got.insert = await failure(() => client.insert({ table: 't', values: [{ a: 1, b: 'x' }], format: 'JSONEachRow' }));
  got.command = await failure(() => client.command({ query: 'DROP TABLE t' }));
  got.midway = await failure(async () => rows(await each(
    "SELECT number, throwIf(number = 20000, 'boom') FROM numbers(40000)", { clickhouse_settings: { max_block_size: '1000' } },
  )));
  got.session = await (await each('SELECT 1 AS n', { session_id: 'mine', query_id: 'chosen' })).json();

  const abort = new AbortController();
  const endless = failure(() => each(
    'SELECT count() AS aborted FROM numbers(123456789012) WHERE NOT ignore(sipHash64(number))', { abort_signal: abort.signal },
  ));
  setTimeout(() => abort.abort(), 200);
  got.aborted = await endless;

  const leaving = await each('SELECT number FROM numbers(1000000000)');
  for await (const batch of leaving.stream()) {
    got.left = batch.length > 0;
    break; // the rest is not wanted
  }
  leaving.close();
  got.after = await (await each('SELECT 1 AS n')).json();
  return got;
}

main().catch((err) => {
  console.error(err);
  process.exit(1);
});
