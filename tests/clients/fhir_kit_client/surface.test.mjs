// fhir-kit-client does all it can against a running server: node --test, with GAPURA_URL and GAPURA_KEY set.
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { CapabilityTool, Client } from 'fhir-kit-client';

const { GAPURA_URL: baseUrl, GAPURA_KEY: bearerToken } = process.env;
const client = new Client({ baseUrl, bearerToken });
const MRN = 'http://rs-melati.example/rm';

const patient = (value, more = {}) => ({
  resourceType: 'Patient',
  identifier: [{ system: MRN, value }],
  name: [{ use: 'official', text: 'Wulan Contoh' }],
  gender: 'female',
  ...more,
});
const condition = (reference, more = {}) => ({
  resourceType: 'Condition',
  code: { coding: [{ system: 'http://hl7.org/fhir/sid/icd-10', code: 'J18.9' }] },
  subject: { reference },
  ...more,
});
const entry = (method, url, resource, fullUrl) => ({ request: { method, url }, resource, fullUrl });
const bundle = (type, ...rows) => ({ resourceType: 'Bundle', type, entry: rows });
const ids = (found) => (found.entry ?? []).map((row) => row.resource.id);
const status = (found) => Client.httpFor(found).response.status;
const refused = (call, code, number) =>
  assert.rejects(call, ({ response }) => {
    assert.equal(response.status, code);
    assert.equal(response.data.issue[0].details.coding[0].code, number);
    return true;
  });

describe('what the server says of itself', () => {
  test('capabilityStatement, and the tool that reads it', async () => {
    const statement = await client.capabilityStatement();
    assert.equal(statement.fhirVersion, '4.0.1');
    const tool = new CapabilityTool(statement);
    for (const code of ['transaction', 'batch', 'history-system', 'search-system']) assert.ok(tool.serverCan(code));
    for (const code of ['read', 'vread', 'update', 'patch', 'delete', 'create', 'search-type', 'history-type'])
      assert.ok(tool.resourceCan('Patient', code), code);
    assert.ok(tool.resourceSearch('Patient', 'birthdate'));
    assert.ok(!tool.resourceSearch('Patient', 'nik'));
    assert.ok(tool.supportFor({ resourceType: 'Patient', capabilityType: 'conditionalCreate' }));
    assert.equal(tool.interactionsFor({ resourceType: 'Patient' }).length, 9);
    assert.ok(tool.searchParamsFor({ resourceType: 'Observation' }).includes('code-value-quantity'));
  });

  test('smartAuthMetadata finds no OAuth server: keys are made by the operator', async () => {
    assert.deepEqual(await client.smartAuthMetadata(), {});
  });
});

describe('one resource', () => {
  let made;
  before(async () => {
    made = await client.create({ resourceType: 'Patient', body: patient('RM-1') });
  });

  test('create says where it is', () => {
    const { headers } = Client.httpFor(made).response;
    assert.equal(status(made), 201);
    assert.equal(headers.get('location'), `${baseUrl}/Patient/${made.id}/_history/1`);
    assert.equal(headers.get('etag'), 'W/"1"');
  });

  test('read, update, vread and the three histories', async () => {
    const { id } = made;
    assert.deepEqual(await client.read({ resourceType: 'Patient', id }), made);
    const update = await client.update({ resourceType: 'Patient', id, body: { ...made, active: true } });
    assert.equal(update.meta.versionId, '2');
    assert.deepEqual(await client.vread({ resourceType: 'Patient', id, version: '1' }), made);
    const versions = (found) => found.entry.map((row) => row.request.method);
    assert.deepEqual(versions(await client.history({ resourceType: 'Patient', id })), ['PUT', 'POST']);
    assert.deepEqual(versions(await client.resourceHistory({ resourceType: 'Patient', id })), ['PUT', 'POST']);
    for (const found of [await client.typeHistory({ resourceType: 'Patient' }), await client.systemHistory()])
      assert.ok(found.entry.some((row) => row.resource.id === id && row.response.etag === 'W/"2"'));
  });

  test('patch, and update with headers of its own', async () => {
    const { id } = await client.create({ resourceType: 'Patient', body: patient('RM-2') });
    const jsonPatch = [
      { op: 'test', path: '/gender', value: 'female' },
      { op: 'add', path: '/active', value: false },
    ];
    const patched = await client.patch({ resourceType: 'Patient', id, jsonPatch });
    assert.deepEqual([patched.active, patched.meta.versionId], [false, '2']);
    const stale = { headers: { 'If-Match': 'W/"1"' } };
    await refused(client.update({ resourceType: 'Patient', id, body: patched, options: stale }), 412, 'GF-204');
    await refused(client.patch({ resourceType: 'Patient', id, jsonPatch, options: stale }), 412, 'GF-204');
    const minimal = { headers: { Prefer: 'return=minimal', 'If-Match': 'W/"2"' } };
    const silent = await client.update({ resourceType: 'Patient', id, body: patched, options: minimal });
    assert.deepEqual([silent, status(silent)], [{}, 200]);
  });

  test('delete, and what is left', async () => {
    const { id } = await client.create({ resourceType: 'Patient', body: patient('RM-3') });
    assert.equal(status(await client.delete({ resourceType: 'Patient', id })), 204);
    await refused(client.read({ resourceType: 'Patient', id }), 410, 'GF-202');
    const past = await client.history({ resourceType: 'Patient', id });
    assert.deepEqual(past.entry.map((row) => row.request.method), ['DELETE', 'POST']);
  });

  test('conditional create and update', async () => {
    const options = { headers: { 'If-None-Exist': `identifier=${MRN}|RM-4` } };
    const first = await client.create({ resourceType: 'Patient', body: patient('RM-4'), options });
    const second = await client.create({ resourceType: 'Patient', body: patient('RM-4'), options });
    assert.deepEqual([status(first), status(second), second.id], [201, 200, first.id]);
    const searchParams = { identifier: `${MRN}|RM-4` };
    const body = patient('RM-4', { active: true });
    const update = await client.update({ resourceType: 'Patient', searchParams, body });
    assert.deepEqual([update.id, update.active], [first.id, true]);
  });

  test('customHeaders go with every request', async () => {
    const english = new Client({ baseUrl, bearerToken, customHeaders: { 'Accept-Language': 'en' } });
    const said = async (one) => one.read({ resourceType: 'Patient', id: 'nobody' }).catch((error) => error.response);
    assert.match((await said(english)).data.issue[0].details.text, /is not known here/);
    assert.match((await said(client)).data.issue[0].details.text, /tidak dikenal/);
    await refused(new Client({ baseUrl }).read({ resourceType: 'Patient', id: 'nobody' }), 401, 'GF-601');
  });

  test('request, and a signer', async () => {
    const signed = new Client({
      baseUrl,
      requestSigner: (_, request) => request.headers.set('Authorization', `Bearer ${bearerToken}`),
    });
    assert.equal((await signed.request(`Patient/${made.id}`)).id, made.id);
    const posted = await signed.request('Basic/$validate', {
      method: 'POST',
      body: { resourceType: 'Basic', code: { text: 'uji' } },
      options: { headers: { 'content-type': 'application/fhir+json' } },
    });
    assert.equal(posted.resourceType, 'OperationOutcome');
  });
});

describe('searches', () => {
  before(async () => {
    const people = [1, 2, 3, 4, 5].map((n) => entry('PUT', `Patient/s${n}`, patient(`S-${n}`, { id: `s${n}` })));
    const diagnosis = condition('Patient/s1', { id: 'd1' });
    await client.transaction({ body: bundle('transaction', ...people, entry('PUT', 'Condition/d1', diagnosis)) });
  });

  for (const postSearch of [false, true]) {
    const options = { postSearch };
    test(`of a type, a compartment and the system, ${postSearch ? 'POST' : 'GET'}`, async () => {
      const searchParams = { identifier: `${MRN}|S-1` };
      const found = await client.search({ resourceType: 'Patient', searchParams, options });
      assert.deepEqual(ids(found), ['s1']);
      assert.deepEqual(ids(await client.resourceSearch({ resourceType: 'Patient', searchParams, options })), ['s1']);
      const compartment = { resourceType: 'Patient', id: 's1' };
      const own = { resourceType: 'Condition', compartment, options };
      assert.deepEqual(ids(await client.search({ ...own, searchParams: { code: 'J18.9' } })), ['d1']);
      assert.deepEqual(ids(await client.compartmentSearch({ ...own, searchParams: { code: 'A00' } })), []);
      const other = { ...own, compartment: { resourceType: 'Patient', id: 's2' } };
      assert.deepEqual(ids(await client.compartmentSearch(other)), []);
      const everywhere = { searchParams: { _id: 's1,d1', _type: 'Patient,Condition' }, options };
      assert.deepEqual(ids(await client.systemSearch(everywhere)).sort(), ['d1', 's1']);
      assert.deepEqual(ids(await client.search(everywhere)).sort(), ['d1', 's1']);
    });
  }

  test('nextPage to the last, prevPage where there is one', async () => {
    const searchParams = { identifier: [`${MRN}|S-1,${MRN}|S-2,${MRN}|S-3`], _count: 2, _sort: '_id' };
    const first = await client.search({ resourceType: 'Patient', searchParams });
    const second = await client.nextPage({ bundle: first });
    assert.deepEqual([...ids(first), ...ids(second)], ['s1', 's2', 's3']);
    assert.equal(client.nextPage({ bundle: second }), undefined);
    assert.equal(client.prevPage({ bundle: first }), undefined);
  });

  test('an unknown parameter is refused', async () => {
    await refused(client.search({ resourceType: 'Patient', searchParams: { nik: '1' } }), 400, 'GF-401');
  });
});

describe('Bundles, references, operations', () => {
  const link = 'urn:uuid:5f0c0e7e-0000-4000-8000-00000000000a';

  test('a transaction links its entries, and its references resolve', async () => {
    const body = bundle(
      'transaction',
      entry('POST', 'Patient', patient('T-1'), link),
      entry('POST', 'Condition', condition(link)),
    );
    const answer = await client.transaction({ body });
    const [person, diagnosis] = answer.entry.map((row) => row.response.location.split('/_history')[0]);
    const stored = await client.resolve({ reference: diagnosis });
    assert.equal(stored.subject.reference, person);
    const byUrl = await client.resolve({ reference: `${baseUrl}/${person}` });
    assert.equal(byUrl.identifier[0].value, 'T-1');
    const searchParams = { _id: stored.id, _include: 'Condition:subject' };
    const context = await client.search({ resourceType: 'Condition', searchParams });
    assert.deepEqual(await client.resolve({ reference: person, context }), byUrl);
    const contained = patient('T-2', {
      contained: [{ resourceType: 'Organization', id: 'o', name: 'RS' }],
      managingOrganization: { reference: '#o' },
    });
    const made = await client.create({ resourceType: 'Patient', body: contained });
    assert.equal((await client.resolve({ reference: '#o', context: made })).name, 'RS');
  });

  test('a batch answers each entry for itself', async () => {
    const body = bundle('batch', entry('POST', 'Patient', patient('B-1')), entry('GET', 'Patient/nobody'));
    const answer = await client.batch({ body });
    assert.deepEqual(answer.entry.map((row) => row.response.status), ['201 Created', '404 Not Found']);
  });

  test('operations of the system, a type and an instance, POST and GET', async () => {
    const { id } = await client.create({ resourceType: 'Patient', body: patient('O-1') });
    const input = {
      resourceType: 'Parameters',
      parameter: [{ name: 'meta', valueMeta: { tag: [{ code: 'uji' }] } }],
    };
    await client.operation({ name: 'meta-add', resourceType: 'Patient', id, input });
    const tag = [{ code: 'uji' }];
    for (const where of [{}, { resourceType: 'Patient' }, { resourceType: 'Patient', id }]) {
      const found = await client.operation({ name: '$meta', method: 'GET', ...where });
      assert.deepEqual(found.parameter[0].valueMeta.tag, tag);
    }
    const whole = { name: 'everything', resourceType: 'Patient', id, method: 'GET', input: { _count: 5 } };
    assert.deepEqual(ids(await client.operation(whole)), [id]);
    const judged = await client.operation({ name: 'validate', resourceType: 'Patient', input: patient('O-2') });
    assert.equal(judged.resourceType, 'OperationOutcome');
    await refused(client.operation({ name: 'perhaps', resourceType: 'Patient', input }), 404, 'GF-112');
  });
});
