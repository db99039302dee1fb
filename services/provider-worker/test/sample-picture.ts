import type { Picture } from '../src/providers/provider.ts'

const png =
  'iVBORw0KGgoAAAANSUhEUgAAADAAAAAwBAMAAAClLOS0AAAAMFBMVEXAOSvf6O/FVEnBQDLf5+7Yvb/IZV3Vr6/b0d' +
  'XZxsnHX1bCRzvDRjrQkY3Pj4vIYlhaH/64AAAACXBIWXMAAAsTAAALEwEAmpwYAAAAoklEQVQ4y2MQxAEYRo6E5zNl' +
  'o7yJmBLuCgxAwFSCLiGxgAEMuBrRJKIZoOAoqoSoAUyCORBFopsBDk4gS4gsQEhwOSJJiDMggUIkCSdkCUUkiQnIEp' +
  'xIEg+QJXiRJBKQJdiQJBSQJZiQJAyQJZiJkcBpFE7LcToXpwdxBgnOQEQOdn5HYiIKd9TiTAzw5MPfiCPBFWImUclr' +
  'yka5E0di5kQDANlSTWd3BtQAAAAAAElFTkSuQmCC'

/** A red disc on a pale ground, 48 × 48: a subject and a background. */
export const samplePicture: Picture = {
  bytes: new Uint8Array(Buffer.from(png, 'base64')),
  mimeType: 'image/png',
}
