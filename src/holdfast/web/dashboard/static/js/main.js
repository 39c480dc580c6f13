// Starts the parts of a page in the order of their dependencies.

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
