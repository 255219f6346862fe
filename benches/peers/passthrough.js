// The floor: what workerd costs when JavaScript only hands the request on.
export default {
  fetch(request, env) {
    return env.ORIGIN.fetch(request);
  },
};
