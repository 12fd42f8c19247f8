// SPDX-License-Identifier: GPL-3.0-or-later
// Shows the description on the page. A file of its own, because the page allows no script that stands in it.
"use strict";

SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  filter: true,
  persistAuthorization: false, // a token in the browser's storage would outlive the page
  presets: [SwaggerUIBundle.presets.apis],
  validatorUrl: null, // by default the description is sent to a host on the internet
});
