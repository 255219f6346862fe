// What JavaScript alone pays for Parapet's two headers: the request and the response are copied, since theirs cannot be changed.
export default {
  fetch(request, env) {
    const outgoing = new Request(request);
    outgoing.headers.set("x-request-id", "req_0000000000000000");
    return env.ORIGIN.fetch(outgoing).then((response) => {
      const answer = new Response(response.body, response);
      answer.headers.set("x-request-id", "req_0000000000000000");
      return answer;
    });
  },
};
