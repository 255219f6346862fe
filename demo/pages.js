// The demo site's pages and data.

const CLINICS = [
  { id: 1, name: "Seepunt Huisartse", city: "Cape Town", kind: "General practice", price_cents: 65_000 },
  { id: 2, name: "Rosebank Dental Studio", city: "Johannesburg", kind: "Dentist", price_cents: 92_000 },
  { id: 3, name: "Umhlanga Physio", city: "Durban", kind: "Physiotherapy", price_cents: 58_000 },
  { id: 4, name: "Brooklyn Eye Care", city: "Pretoria", kind: "Optometrist", price_cents: 45_000 },
  { id: 5, name: "Summerstrand Family Clinic", city: "Gqeberha", kind: "General practice", price_cents: 52_000 },
];
const HOURS = ["08:00", "08:30", "09:00", "09:30", "10:15", "11:00", "13:30", "14:15", "15:00", "16:00"];

export const STYLE = `body{font:1rem/1.5 system-ui,sans-serif;margin:0 auto;max-width:46rem;padding:1rem;color:#1c2b2a}
header a{color:#0f766e;font-weight:700;text-decoration:none}form{display:flex;gap:.5rem;margin:1rem 0}
input,button{font:inherit;padding:.5rem .75rem;border:1px solid #94a3a1;border-radius:.4rem}
button{background:#0f766e;color:#fff;border-color:#0f766e}li{margin:.5rem 0}small{color:#52635f}
`;

const escape = (text) => text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
const rand = (cents) => `R ${(cents / 100).toFixed(2).replace(".", ",")}`;

function page(title, body) {
  return `<!doctype html><html lang="en-ZA"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escape(title)} · Kliniek</title><link rel="stylesheet" href="/assets/site.css"></head>
<body><header><a href="/">Kliniek</a></header><main>${body}</main></body></html>
`;
}

const searchForm = (query) => `<form action="/search"><input name="q" aria-label="What you need" value="${escape(query)}"
 placeholder="Dentist, physio, doctor"><button>Find a time</button></form>`;

export const homePage = () =>
  page("Book an appointment", `<h1>See someone today</h1><p>${CLINICS.length} practices, open times as they are now.</p>${searchForm("")}`);

export function searchPage(query, city) {
  const wanted = query.toLowerCase();
  const found = CLINICS.filter((clinic) => `${clinic.name} ${clinic.kind}`.toLowerCase().includes(wanted) && (!city || clinic.city === city));
  const items = found.map(
    (clinic) => `<li><a href="/clinics/${clinic.id}">${clinic.name}</a> <small>${clinic.kind}, ${clinic.city}, from ${rand(clinic.price_cents)}</small></li>`,
  );
  return page("Search", `<h1>${found.length} practices</h1>${searchForm(query)}<ul>${items.join("")}</ul>`);
}

export function bookingPage(id) {
  const clinic = CLINICS.find((candidate) => candidate.id === id);
  if (!clinic) return notFoundPage();
  const { slots } = slotsFor(String(id), "");
  return page(clinic.name, `<h1>${clinic.name}</h1><p>${clinic.kind}, ${clinic.city}</p><ul>${slots.map((slot) => `<li>${slot}</li>`).join("")}</ul>`);
}

/** The same clinic and day always have the same open times. */
export function slotsFor(clinic, day) {
  let seed = [...`${clinic} ${day}`].reduce((sum, sign) => (sum * 31 + sign.charCodeAt(0)) >>> 0, 7);
  const slots = HOURS.filter(() => {
    seed = (seed * 1_103_515_245 + 12_345) >>> 0;
    return seed >>> 16 & 1;
  });
  return { clinic, day, slots };
}

export const notFoundPage = () => page("Not found", `<h1>This page is not here</h1><p><a href="/">Back to the start</a></p>`);
