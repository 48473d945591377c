/** What all modules share that the first view does not need: dialogs, and icons in the form that dom.js describes. */
import { closeAll } from "./dialog.js";
import { addIcons } from "./dom.js";
import "./error_text.js";

export const closeDialogs = closeAll;

addIcons({
  pause: ["M9 5.5v13M15 5.5v13"],
  edit: ["M4.5 19.5l.8-4L15.8 5a1.5 1.5 0 0 1 2.1 0L19 6.1a1.5 1.5 0 0 1 0 2.1L8.5 18.7zM13.5 7.3l3.2 3.2"],
  trash: ["M4.5 6.5h15M9.5 6V4h5v2M6.5 6.5l.8 13.5h9.4l.8-13.5M10 10.5v6M14 10.5v6"],
  copy: ["M8.5 8.5h11v11h-11zM15.5 8.5v-4h-11v11h4"],
  close: ["M6 6l12 12M18 6L6 18"],
  left: ["M14.5 6l-6 6 6 6"],
  down: ["M6 9.5l6 6 6-6"],
  right: ["M9.5 6l6 6-6 6"],
  download: ["M12 4v11M7.5 11l4.5 4.5 4.5-4.5M5 20h14"],
});
