/** The page: sign-in, header, views. */
export { store } from "./store.js";
