// An origin that costs next to nothing, so that what stands before it shows.
const PAGE = `<!doctype html><title>Kliniek</title>${"<p>Book an appointment today.</p>".repeat(30)}`;

export default {
  fetch() {
    return new Response(PAGE, { headers: { "content-type": "text/html; charset=utf-8" } });
  },
};
