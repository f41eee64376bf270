"""A search or history whose caller does not wait: every page of it, one Bundle a line.

The pages are those that the caller would have been answered, by the same functions, so nothing differs but the time.
Source: https://hl7.org/fhir/R4/async.html
"""

from urllib.parse import parse_qsl, urlsplit

from gateway.bulk import files
from gateway.bulk.jobs import File, Job
from gateway.fhir.call import Call
from gateway.fhir.view import view
from gateway.parts import Parts
from profiles import fhirjson


def possible(code: str) -> bool:
    """Whether this interaction (a code of the route table) can be answered later."""
    return code.startswith(("search-", "history-")) or code == "$everything"


async def run(services: Parts, job: Job, call: Call) -> list[File]:
    """Write the pages."""
    from gateway.fhir.routes import find

    place = files.prepared(services.settings.home, job.id, str(job.claims))
    asked = find(call.method, call.path)
    route, call.compartment = asked.route, asked.compartment
    with files.writing(place) as output:
        while True:
            answer = await route.handler(call)
            links = answer.resource.pop("link", ())
            await output.add("output", answer.resource["resourceType"], fhirjson.encode(answer.resource))
            following = next((link["url"] for link in links if link["relation"] == "next"), None)
            if following is None:
                return await output.close()
            job.progress = f"{output.lines} pages"
            # a form's parameters are in the link, too
            route = find("GET", call.path.removesuffix("/_search")).route
            call.view, call.query = view(parse_qsl(urlsplit(following).query, keep_blank_values=True))
