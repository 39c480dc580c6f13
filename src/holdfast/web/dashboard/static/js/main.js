// This exists so that a page is one script: it starts the parts in the order in which they need each other.

import { startCharts } from "./chart.js";
import { startCompletion } from "./complete.js";
import { startConsole } from "./console.js";
import { startForms } from "./forms.js";
import { startLive } from "./live.js";
import { startKeys } from "./palette.js";
import { startTable } from "./table.js";
import { startClocks } from "./time.js";

startClocks();
startForms();
startTable();
startCompletion();
startConsole();
startKeys();
startCharts();
startLive();
