export default { async fetch(request) { return new Response("kliniek " + new URL(request.url).pathname, {headers: {"x-h": JSON.stringify(Object.fromEntries(request.headers))}}); } };
